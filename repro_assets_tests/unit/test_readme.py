"""The README's tree, commands and variables are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from repro_assets import settings
from repro_assets.cli import app

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def _tree() -> list[str]:
    block = README.split("```\nenvs/ ")[1].split("```")[0]
    paths: list[str] = []
    parents: dict[int, str] = {}
    for line in ("envs/ " + block).splitlines():
        name = line.split()[0] if line.strip() else ""
        if not name:
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth] = parents.get(depth - 1, "") + name
        paths.append(parents[depth])
    return paths


def test_everything_in_the_tree_exists() -> None:
    missing = [path for path in _tree() if not (PROJECT / path).exists()]
    assert missing == []


def test_every_folder_and_module_at_the_top_of_the_package_is_in_the_tree() -> None:
    package = PROJECT / "repro_assets"
    found = {
        f"repro_assets/{path.name}{'/' if path.is_dir() else ''}"
        for path in package.iterdir()
        if path.name not in ("__pycache__", "__init__.py")
    }
    assert found <= set(_tree()), found - set(_tree())


def test_every_folder_of_the_resources_is_in_the_tree() -> None:
    found = {f"repro_assets/resources/{path.name}/" for path in (PROJECT / "repro_assets/resources").glob("[a-z]*/")}
    assert found <= set(_tree()), found - set(_tree())


def test_every_command_is_in_the_table_and_every_command_there_exists() -> None:
    command = typer.main.get_command(app)
    real = set(command.commands)  # type: ignore[attr-defined]  # a group, since the app has several commands
    told = set(re.findall(r"^\| `repro (\w+)", README, re.MULTILINE))
    assert told == real


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)`?$|`make ([a-z-]+)`", README, re.MULTILINE))
    told = {first or second for first, second in re.findall(r"^make ([a-z-]+)$|`make ([a-z-]+)`", README, re.MULTILINE)}
    assert told <= targets


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_the_variables_named_are_among_those_of_the_settings_module() -> None:
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert told
    assert told <= set(re.findall(r"`([A-Z_]+)`", settings.__doc__ or ""))


def test_one_sentence_stands_on_each_line() -> None:
    prose = [
        line
        for block in README.split("```")[::2]
        for line in block.splitlines()
        if line and not line.startswith(("|", "#", "-"))
    ]
    assert [line for line in prose if re.search(r"[a-z]\. [A-Z]", line)] == []
