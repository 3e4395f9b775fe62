"""docs/your-own-tables.md says what its test does, and what the project has."""

from __future__ import annotations

import ast
import re

import pytest

from repro_assets.feeds.delta_commit import TABLE_PROPERTIES
from repro_assets_tests.own_tables.document import COMMANDS, OWN, PROJECT, REPLACED, STATEMENTS, TEXT


def test_the_files_that_it_names_are_those_that_are_kept() -> None:
    kept = [path.relative_to(OWN).as_posix() for path in (OWN / "repro_assets").rglob("*.py")]

    assert sorted(REPLACED) == sorted(kept)


@pytest.mark.parametrize("name", REPLACED)
def test_a_file_to_replace_is_one_of_the_project(name: str) -> None:
    assert (PROJECT / name).is_file()


def test_every_step_that_it_asks_for_is_there_in_both_experiments() -> None:
    told = re.findall(r"`(\w+)\((?:[^`]*)\)`", TEXT)
    for folder in (PROJECT, OWN):
        trees = [ast.parse((folder / name).read_text(encoding="utf-8")) for name in REPLACED]
        defined = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert set(told) <= defined
    assert {"snapshot", "build_features", "evaluate", "answer", "sources_of_features"} == set(told)


def test_the_tables_are_created_with_the_properties_of_ingested_ones() -> None:
    statements = [statement for statement in STATEMENTS.split(";") if statement.strip()]

    told = [dict(re.findall(r"'(delta\.\w+)' = '([^']+)'", statement)) for statement in statements]

    assert told == [dict(TABLE_PROPERTIES)] * 3


def test_its_commands_are_those_that_its_test_runs_and_the_pages() -> None:
    assert COMMANDS == ["versions", "run", "ui"]


def test_no_other_module_of_the_package_knows_a_table_of_the_worked_experiment() -> None:
    own = {"sample", "assumptions", "feeds"}
    steps = {"case_figures.py", "places.py"}
    knowing = [
        path.relative_to(PROJECT).as_posix()
        for path in sorted((PROJECT / "repro_assets").rglob("*.py"))
        if path.parent.name not in own and path.name not in steps and _knows_a_table(path.read_text(encoding="utf-8"))
    ]

    assert set(knowing) - set(REPLACED) == {"repro_assets/cli/data.py", "repro_assets/verbs/demo.py"}


def _knows_a_table(text: str) -> bool:
    """Whether a table or column of the worked experiment stands in the code; in a docstring it is an example."""
    tree = ast.parse(text)
    examples = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return any(
        re.search("covid_cases|job_changes|enrollee|without_cases|confirmed", value)
        for value in said
        if value not in examples
    )
