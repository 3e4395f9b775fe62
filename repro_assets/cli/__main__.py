"""`python -m repro_assets.cli`: the same as `repro`, for an interpreter that is named by its path."""

from repro_assets.cli import main

main()
