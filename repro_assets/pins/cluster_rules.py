"""What may stand in a cluster file: names that can't do harm, and no secret; one that is needed is named by a variable.

Here belong the names of settings and variables, each once, and `{"env": "NAME"}`.
What does not: the fields of a cluster file (`pins.compute`), and what it must not say to be used (`pins.cluster_use`).

A cluster file is committed, logged with every run and kept for years, so a secret in it is a leak for good.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from repro_assets.errors import BadInput
from repro_assets.pins.redaction import holds_a_secret, redact
from repro_assets.pins.secret_rules import find_secret

_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,199}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_LONGEST_VALUE = 4_000
# `abfss://container@account` and `hdfs://user@host` name a place and open nothing; `redact` would take the name out.
_USER_ALONE = re.compile(r"(?<=//)[\w.-]+@")
# A reproduction starts with none of the caller's variables of these tools: a secret among them would not arrive.
_NOT_PASSED_ON = ("REPRO_", "MLFLOW_", "DAGSTER_", "GIT_", "SPARK_", "PYSPARK_", "PYTHON")
# What decides which code a process loads is the environment pin's, and no setting of a cluster.
_LOADERS = re.compile(
    r"LD_.*|DYLD_.*|PYTHON.*|PATH|IFS|ENV|BASH_ENV|JAVA_HOME|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS"
    r"|(?:REPRO|MLFLOW|DAGSTER|GIT)_.*"
)
# Spark's launchers read these: options of master and workers, folders of other settings, another interpreter.
_SPARK_S_OWN = re.compile(r"(?:SPARK|PYSPARK)_.*|CLASSPATH|(?:HADOOP|YARN)_CONF_DIR")
# These become words of the JVM's command line, which every user of the machine can read.
_ON_A_COMMAND_LINE = re.compile(r".*(?:JavaOptions|\.memory)")
_NAMED_BY = '`{"env": "NAME"}`: the variable is read when the session starts, and recorded by its name'


def refuse_secrets(text: str, where: str) -> None:
    """Check a cluster file's text.

    Raises:
        BadInput: Something in it looks like a secret; with its line.
    """
    found = find_secret(text.encode())
    if found:
        raise BadInput(
            "a cluster file holds what looks like a secret",
            where=f"{where}:{found.line}",
            stored=found.rule,
            fix=f"In spark_conf, name it by {_NAMED_BY}",
        )


def read_document(text: str, where: str) -> dict[str, Any]:
    """A cluster file's JSON, every name once: of a name that stands twice JSON keeps the last, and readers the first.

    Args:
        text: Of the file, which `parse_cluster` has read.
        where: The file, for messages.

    Raises:
        BadInput: A name stands twice in one object; with the line of the second where it can be told.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        if twice:
            lines = [text.count("\n", 0, place.start()) + 1 for place in _standing_as_name(twice[0], text)]
            raise BadInput(
                "a cluster file says a field twice",
                # Standing in another object too, it may be any of these lines: JSON's parser says no place.
                where=f"{where}:{lines[1]}" if len(lines) == 2 else where,
                stored=", ".join(repr(name)[:80] for name in twice),
                fix="Keep one of them",
            )
        return dict(pairs)

    document: dict[str, Any] = json.loads(text, object_pairs_hook=once)
    return document


def read_settings(section: Mapping[str, Any], where: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read `spark_conf`.

    Args:
        section: The section as it stands.
        where: The file, for messages.
        text: Its text, for the line.

    Returns:
        Settings as declared, and the name of a variable for each setting that is read from the environment.

    Raises:
        BadInput: A name or value that can't be a setting's, a secret that stands there, or a variable that can't be named.
    """
    declared, variables = {}, {}
    for name, value in section.items():
        place = f"{where}:{line_of(name, text)}"
        if not _SETTING.fullmatch(name):
            raise BadInput("not a Spark setting's name", where=place, stored=repr(name)[:80], expected="[A-Za-z0-9._-]")
        if isinstance(value, dict):
            variables[name] = _variable(name, value, place)
            continue
        declared[name] = plain_text(value, name, place)
        if holds_a_secret(name, declared[name]):
            raise BadInput(f"the setting {name} holds a secret", where=place, fix=f"Name it by {_NAMED_BY}")
    return declared, variables


def read_variables(section: Mapping[str, Any], where: str, text: str) -> dict[str, str]:
    """Read `spark_env_vars`.

    Raises:
        BadInput: A name or value that can't be a variable's, one that decides which code is loaded, or a secret.
    """
    for name, value in section.items():
        place = f"{where}:{line_of(name, text)}"
        if not _VARIABLE.fullmatch(name) or _LOADERS.fullmatch(name):
            raise BadInput(
                "not a variable that a cluster file may set",
                where=place,
                stored=repr(name)[:80],
                expected="[A-Za-z0-9_], and none that decides which code is loaded",
            )
        if holds_a_secret(name, plain_text(value, name, place)):
            raise BadInput(
                f"the variable {name} holds a secret",
                where=place,
                fix="Leave it out and set it outside: the process passes its variables on",
            )
    return dict(section)


def plain_text(value: object, what: str, where: str) -> str:
    """A value of one printable line.

    Raises:
        BadInput: It is no text, empty, too long, or holds a line break, what can't be printed, or a secret.
    """
    if not isinstance(value, str) or not value:
        raise BadInput(f"a cluster file's `{what}` must be text", where=where, stored=repr(value)[:80])
    if not value.isprintable() or len(value) > _LONGEST_VALUE:
        raise BadInput(
            f"a cluster file's `{what}` can't be used",
            where=where,
            stored=repr(value)[:80],
            expected=f"one line of at most {_LONGEST_VALUE} printable characters",
        )
    without_user = _USER_ALONE.sub("", value)
    # Whatever would be taken out of a log must not be committed either; the value itself is never shown.
    if redact(without_user) != without_user:
        raise BadInput(
            f"a cluster file's `{what}` holds what looks like a secret",
            where=where,
            fix=f"In spark_conf, name the whole value by {_NAMED_BY}",
        )
    return value


def decides_code(variable: str) -> bool:
    """Whether a variable of the environment decides which code or settings a process of Spark's loads."""
    return bool(_LOADERS.fullmatch(variable) or _SPARK_S_OWN.fullmatch(variable))


def line_of(name: str, text: str) -> int:
    """Line on which a field's name first stands, counted from 1; 1 where it is spelled in another way."""
    place = text.find(json.dumps(name))
    return text.count("\n", 0, max(place, 0)) + 1


def _standing_as_name(name: str, text: str) -> list[re.Match[str]]:
    return list(re.finditer(rf"{re.escape(json.dumps(name))}\s*:", text))


def _variable(setting: str, value: Mapping[str, Any], where: str) -> str:
    name = value.get("env")
    named = isinstance(name, str) and _VARIABLE.fullmatch(name)
    if set(value) != {"env"} or not named or str(name).startswith(_NOT_PASSED_ON):
        raise BadInput(
            f"the setting {setting} names no variable",
            where=where,
            stored=repr(dict(value))[:80],
            expected=f'{{"env": "NAME"}}, and none that begins with {", ".join(_NOT_PASSED_ON)}',
        )
    if _ON_A_COMMAND_LINE.fullmatch(setting):
        raise BadInput(
            f"the setting {setting} can't be read from a variable",
            where=where,
            stored=name,
            expected="its value, since everybody can read it on the JVM's command line",
        )
    return str(name)
