"""What a cluster file may hold: plain names and values, and of a secret its variable's name alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from repro_assets.errors import BadInput, ClusterMismatch
from repro_assets.pins.compute import parse_cluster, require_effective

PLANTED = "hunter2-planted"
SECRET = "spark.hadoop.fs.s3a.secret.key"


def cluster_text(conf: dict[str, Any] | None = None, variables: dict[str, Any] | None = None, **repro: Any) -> str:
    document = {
        "spark_version": "4.2.0",
        "spark_conf": conf or {},
        "spark_env_vars": variables or {},
        "repro": {"master": "local[2]", "driver_memory": "1g", "jars": [], **repro},
    }
    return json.dumps(document, indent=2)


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as refused:
        parse_cluster("small-v1", text)
    message = str(refused.value)
    assert message.isprintable()
    return message


def test_a_setting_may_name_a_variable() -> None:
    cluster = parse_cluster("small-v1", cluster_text({SECRET: {"env": "LAKE_SECRET"}, "spark.a": "1"}))

    assert cluster.variables == {SECRET: "LAKE_SECRET"}
    assert SECRET not in cluster.settings()
    assert cluster.resolved({"LAKE_SECRET": PLANTED}) == {SECRET: PLANTED}


def test_the_variable_s_value_is_no_part_of_what_names_the_cluster() -> None:
    text = cluster_text({SECRET: {"env": "LAKE_SECRET"}})

    assert parse_cluster("small-v1", text).sha256 != parse_cluster("small-v1", text.replace("LAKE", "OTHER")).sha256
    assert PLANTED not in repr(parse_cluster("small-v1", text))


@pytest.mark.parametrize("environ", [{}, {"LAKE_SECRET": ""}], ids=["unset", "empty"])
def test_a_variable_that_is_not_set_is_one_line_with_its_name(environ) -> None:
    cluster = parse_cluster("small-v1", cluster_text({SECRET: {"env": "LAKE_SECRET"}}))

    with pytest.raises(ClusterMismatch, match=rf"small-v1 reads {SECRET}.*LAKE_SECRET not set"):
        cluster.resolved(environ)


def test_what_was_read_back_is_compared_and_never_printed() -> None:
    cluster = parse_cluster("small-v1", cluster_text({SECRET: {"env": "LAKE_SECRET"}}))
    hidden = {SECRET: PLANTED}

    require_effective(cluster, {"hadoop": {SECRET: PLANTED}}, hidden)
    with pytest.raises(ClusterMismatch, match="is not what LAKE_SECRET holds in hadoop") as wrong:
        require_effective(cluster, {"hadoop": {SECRET: "another-value-1"}}, hidden)

    assert PLANTED not in str(wrong.value)
    assert "another-value-1" not in str(wrong.value)


@pytest.mark.parametrize(
    "variable",
    [{}, {"env": ""}, {"env": 1}, {"env": "A", "other": "B"}, {"env": "a b"}, {"env": "$(id)"}, {"env": "MLFLOW_X"}],
    ids=repr,
)
def test_what_names_no_variable_is_refused_with_its_line(variable) -> None:
    message = refusal(cluster_text({"spark.a": "1", SECRET: variable}))

    assert "names no variable" in message
    assert "small-v1.json:5]" in message


@pytest.mark.parametrize("setting", ["spark.driver.extraJavaOptions", "spark.executor.memory"])
def test_what_stands_on_a_command_line_is_read_from_no_variable(setting) -> None:
    assert "command line" in refusal(cluster_text({setting: {"env": "LAKE_SECRET"}}))


@pytest.mark.parametrize("setting", [SECRET, "spark.ssl.keyPassword", "spark.hadoop.fs.s3a.session.token"])
def test_a_setting_that_holds_a_secret_is_refused_with_its_line_and_without_its_value(setting) -> None:
    message = refusal(cluster_text({"spark.a": "1", setting: PLANTED}))

    assert f"the setting {setting} holds a secret [envs/clusters/small-v1.json:5]" in message
    assert '{"env": "NAME"}' in message
    assert PLANTED not in message


def test_a_token_anywhere_in_the_file_is_refused_with_its_line() -> None:
    token = "dapi" + "0123456789abcdef" * 2
    message = refusal(cluster_text({"spark.a": "1", "spark.b": f"x {token}"}))

    assert "looks like a secret [envs/clusters/small-v1.json:5]: stored a Databricks token" in message
    assert token not in message


@pytest.mark.parametrize(
    "address",
    [
        "jdbc:postgresql://h/db?user=u&pass" + "word=Zq7pw99xK",
        "jdbc:sqlserver://h;user=sa;pass" + "word=P@ssw0rd99",
        "jdbc:sqlserver://h;user=sa;pass" + "word=onlyletters",
        "https://x.example.org/c?sv=2024&sig=abcdefghij%3D",
        "-Djavax.net.ssl.keyStorePassword=" + "onlyletters",
    ],
)
@pytest.mark.parametrize("as_variable", [False, True], ids=["a setting", "a variable"])
def test_an_address_with_a_password_is_refused_with_its_line_and_without_it(address, as_variable) -> None:
    own = {"SOURCE_URL" if as_variable else "spark.repro.source.url": address}
    message = refusal(cluster_text(variables=own) if as_variable else cluster_text(own))

    assert "holds what looks like a secret [envs/clusters/small-v1.json:" in message
    assert address.rpartition("=")[2] not in message


@pytest.mark.parametrize(
    "value",
    [
        "abfss://container@account.dfs.core.windows.net/lake",
        "hdfs://user@host:8020/lake",
        "jdbc:sqlserver://h:1433;user=sa;encrypt=true",
        "-Dfs.credentials.provider=org.example.Provider",
        "jdbc:sqlserver://h;user=sa;password={{secrets/scope/key}}",
    ],
)
def test_an_address_that_opens_nothing_is_a_setting_like_another(value) -> None:
    assert parse_cluster("small-v1", cluster_text({"spark.a": value})).settings()["spark.a"] == value


def test_a_variable_that_holds_a_secret_is_refused() -> None:
    message = refusal(cluster_text(variables={"AWS_SECRET_ACCESS_KEY": PLANTED}))

    assert "the variable AWS_SECRET_ACCESS_KEY holds a secret" in message
    assert PLANTED not in message


@pytest.mark.parametrize(
    "variable", ["LD_PRELOAD", "PYTHONPATH", "PATH", "JAVA_TOOL_OPTIONS", "REPRO_LAKE", "BASH_ENV", "A B", "A=B", ""]
)
def test_a_variable_that_decides_which_code_is_loaded_is_refused(variable) -> None:
    assert "not a variable that a cluster file may set" in refusal(cluster_text(variables={variable: "1"}))


@pytest.mark.parametrize("name", ["", "a b", "spark.a\n", "spark.a=1 --conf x", "-spark.a", "spark.\u202ea", "s" * 300])
def test_what_is_no_setting_s_name_is_refused(name) -> None:
    assert "not a Spark setting's name" in refusal(cluster_text({name: "1"}))


@pytest.mark.parametrize("value", ["", "a\nb", "a\x00b", "\x1b[31m", "\u202ea", "x" * 5000], ids=repr)
@pytest.mark.parametrize("field", ["a setting", "a variable", "the master"])
def test_a_value_is_one_printable_line(field, value) -> None:
    text = {
        "a setting": cluster_text({"spark.a": value}),
        "a variable": cluster_text(variables={"A": value}),
        "the master": cluster_text(master=value),
    }[field]

    assert "a cluster file's" in refusal(text)


def test_a_file_nested_without_end_is_refused() -> None:
    assert "not JSON" in refusal("[" * 100_000)
