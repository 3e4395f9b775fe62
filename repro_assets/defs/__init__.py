"""Dagster glue: assets, checks, jobs, partitions."""
