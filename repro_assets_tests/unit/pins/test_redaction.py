"""Secrets are taken out of texts, settings and exceptions, and nothing else is."""

from __future__ import annotations

import json
import traceback

import pytest

from repro_assets.errors import Outside
from repro_assets.pins.redaction import (
    REDACTED,
    Redacted,
    holds_a_secret,
    redact,
    redact_document,
    redact_exception,
    redact_settings,
)

PLANTED = "hunter2-planted"
HOLDING = {
    "an address": f"https://me:{PLANTED}@host/path",
    "a JDBC address": f"jdbc:sqlserver://db:1433;user=me;password={PLANTED};encrypt=true",
    "a query": f"https://host/path?access_token={PLANTED}&x=1",
    "a shared access signature": f"https://host/c?sv=2024&sig={PLANTED}",
    "a connection string": f"host=db user=me password='{PLANTED}' dbname=x",
    "a JSON document": f'{{"user": "me", "password": "{PLANTED}"}}',
    "a Python dictionary": f"{{'api_key': '{PLANTED}'}}",
    "a variable": f"AWS_SECRET_ACCESS_KEY={PLANTED}",
    "a header": f"Authorization: Bearer {PLANTED}",
    "a header of another kind": f"'Authorization': 'Basic {PLANTED}'",
    "an address of Oracle": f"jdbc:oracle:thin:scott/{PLANTED}@//h",
    "a setting of Azure": f"fs.azure.account.key.acct.dfs.core.windows.net={PLANTED}",
    "a setting of S3": f"fs.s3a.access.key={PLANTED}",
    "an assignment in a source": f"DB_PASSWORD = '{PLANTED}'",
    "a line of properties": f"db.password = {PLANTED}",
    "a key of TOML": f'"password" = "{PLANTED}"',
    "a listed setting": f"[('spark.x.password', '{PLANTED}'), ('spark.a', '1')]",
    "a setting in code": f'.config("spark.x.password", "{PLANTED}")',
    "a setting with a blank": f"fs.s3a.secret.key {PLANTED}1",
    "an address with an @ in its password": f"jdbc:sqlserver://h:1433;user=sa;password=P@{PLANTED};x=true",
    "an address of Oracle with an @": f"jdbc:oracle:thin:scott/p@{PLANTED}@//h",
    "a PuTTY key": "PuTTY-User-Key-File-" + f"3: ssh-ed25519\n{PLANTED}\nPrivate-MAC: 0a",
    "a line of YAML": f"password: {PLANTED}",
    "a line of YAML with more words": f"db_password: {PLANTED}",
    "a line with a blank before the colon": f"ssl.keystore.password : {PLANTED}",
    "a JDBC address whose password has a comma": f"jdbc:mysql://h/db?user=u&password=kR7v,{PLANTED}",
    "a value with a quote in it": f'"password": "kR7\\"{PLANTED}"',
    "JSON in JSON": f'"{{\\"password\\": \\"{PLANTED}\\"}}"',
    "a presigned address": f"https://b.s3.example.org/o?X-Amz-Date=1&X-Amz-Signature={PLANTED}",
    "a presigned address of Google": f"https://storage.example.org/o?X-Goog-Signature={PLANTED}",
    "a variable of another name": f"DB_PASS={PLANTED}",
    "a variable in quotes": f'SMTP_PASS="{PLANTED}"',
    "a short name": f"pass={PLANTED} passcode={PLANTED} bind_pw={PLANTED}",
    "XML": f"<password>{PLANTED}</password>",
    "a setting in Hadoop's XML": f"<name>fs.s3a.secret.key</name>\n<value>{PLANTED}</value>",
    "a map of Scala": f"Map(user -> me, password -> {PLANTED})",
    "an option": f"--password {PLANTED}",
    "a header of its own": f"X-Api-Key: {PLANTED}",
    "a value in braces": f"jdbc:sqlserver://db;password={{a;{PLANTED}}};encrypt=true",
    "a user of curl": f"curl -sS -u me:{PLANTED} https://h",
    "a user of curl, spelt out": f"curl --user 'me:{PLANTED}' https://h",
    "a command as a list": f"['curl', '-u', 'me:{PLANTED}', 'https://h']",
    "sshpass": f"sshpass -p {PLANTED} ssh me@h",
    "sshpass without a blank": f"sshpass -p'{PLANTED}' ssh me@h",
    "mysql": f"mysql -h db -p{PLANTED} -u me",
    "mysqldump": f"mysqldump -u me -p{PLANTED} people",
    "a login of docker": f"docker login -u bob -p {PLANTED} registry.example.org",
    "a login of docker as a list": f"['docker', 'login', '-u', 'bob', '-p', '{PLANTED}']",
    "a login of Azure": f"az login -u me -p {PLANTED}",
    "a login of Azure's registry": f"az acr login -u me -p {PLANTED}",
    "redis-cli": f"redis-cli -h db -a {PLANTED} ping",
    "sqlcmd": f"sqlcmd -S db -U sa -P {PLANTED} -Q x",
    "sqlcmd without a blank": f"sqlcmd -S db -P{PLANTED}",
    "a line of netrc": f"machine h login me password {PLANTED}",
    "netrc on several lines": f"machine h\n  login me\n  password {PLANTED}",
    "a sentence": f"the password is {PLANTED}",
    "a sentence with quotes": f"Token is: '{PLANTED}'",
    "a key block": "-----BEGIN RSA " + f"PRIVATE KEY-----\n{PLANTED}\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("text", HOLDING.values(), ids=list(HOLDING))
def test_what_a_rule_knows_is_taken_out(text) -> None:
    found = redact(f"before {text} after")

    assert PLANTED not in found
    assert found.startswith("before ")
    assert found.endswith(" after")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Cookie: session={PLANTED}; other=x", f"Cookie: {REDACTED}", id="a header"),
        pytest.param(f"{{'Set-Cookie': 's={PLANTED}'}}", f"{{'Set-Cookie': '{REDACTED}'}}", id="in a dictionary"),
    ],
)
def test_a_cookie_is_taken_out_to_its_end(text, expected) -> None:
    assert redact(text) == expected


def test_a_document_stays_one() -> None:
    assert json.loads(redact(HOLDING["a JSON document"])) == {"user": "me", "password": REDACTED}


def test_a_token_with_a_form_of_its_own_is_taken_out_alone() -> None:
    token = "ghp_" + "aB3d" * 9

    assert redact(f"fatal: {token} was refused") == f"fatal: {REDACTED} was refused"


# Twice as long as the rule asks for.
LONG = {
    "Anthropic": "sk-ant-" + "api03-" + "aB3_" * 40,
    "Azure": "fs.azure.account.key" + ".x=" + "Ab1/" * 42 + "==",
    "Databricks": "dapi" + "0123456789abcdef" * 2 + "-2",
    "Docker": "dckr_pat_" + "aB3" * 18,
    "GitHub": "ghp_" + "aB3d" * 18,
    "GitHub, fine-grained": "github_pat_" + "aB3d_" * 16,
    "GitLab": "glpat-" + "aB3d-" * 8 + ".01.0a1b2c3d4",
    "Google": "AIza" + "Sy0_-" * 14,
    "Google, OAuth": "GOCSPX-" + "aB3_" * 14,
    "Hugging Face": "hf_" + "aB" * 34,
    "npm": "npm_" + "aB3d" * 18,
    "OpenAI": "sk-proj-" + "aB3d" * 5 + "T3Blbk" + "FJ" + "aB3d" * 10,
    "package index": "pypi-" + "AgEI" + "cHlwaS5vcmc" * 15,
    "Slack": "xoxb-" + "1234567890-" * 4 + "aB3",
    "Stripe": "sk_live_" + "aB3d" * 25,
    "Vault": "hvs." + "aB3" * 60,
}


@pytest.mark.parametrize("token", LONG.values(), ids=list(LONG))
def test_no_tail_of_a_long_token_is_left(token) -> None:
    found = redact(f"said {token} end")

    assert found.endswith(f"{REDACTED} end")
    assert token[-4:] not in found


def test_a_line_of_a_properties_file_is_redacted_whatever_its_value() -> None:
    assert redact("spark.a 1\nfs.s3a.secret.key x\n") == f"spark.a 1\nfs.s3a.secret.key {REDACTED}\n"


def test_a_known_value_is_taken_out_whatever_it_looks_like() -> None:
    assert redact(f"no route to {PLANTED}!", known=[PLANTED]) == f"no route to {REDACTED}!"


@pytest.mark.parametrize("value", ["true", "a1b2", "postgres", "mlflow"])
def test_a_known_value_that_stands_in_many_words_is_left(value) -> None:
    assert redact(f"said {value}", known=[value]) == f"said {value}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 64,
        f"stored {'0123456789abcdef' * 4}, expected {'f' * 64}",
        "covid_cases-v000012--job_changes-v000001",
        "model.random_state=20200611",
        "test_fraction=0.2",
        "the token was refused",
        "the password is wrong, the token is expired",
        "the secret is kept in LAKE_SECRET",
        "curl -u $" + "USER https://h",
        "mysql -p -u me",
        "mysql -h db -p3306 -u me",
        "docker run -p 8080:80 image",
        "docker login -u me --password-stdin",
        "docker run -u 1000:1000 image",
        "login failed: password required",
        "unexpected token: x",
        "the password: (redacted)",
        "tables are read by key: uid",
        "max_tokens=512, tokenize=true",
        "Access denied for user me (using password: YES)",
        "compass=north bypass=x",
        "the cookie: none",
        "def token(self) -> str",
        "<name>spark.sql.shuffle.partitions</name><value>2</value>",
        "a private key",
        "blank_key: a key is blank",
        "the setting spark.hadoop.fs.s3a.secret.key holds a secret",
        "small-v1 reads spark.x.password from LAKE_SECRET, which is not set",
        "expected ('secret', 'token', 'x')",
        "token = os.environ['TOKEN']",
        "token = lexer.next()",
        "if token == 'x'",
        "fs.aws.credentials.provider=org.example.Provider",
        "password={{secrets/scope/key}};x=1",
        "https://host/?x=a@b",
        "git@example.org:team/project.git",
        "file:///home/me/var/lake",
        "sqlite:////home/me/var/mlflow/mlflow.db",
    ],
)
def test_what_is_no_secret_stays(text) -> None:
    assert redact(text) == text


def test_a_long_row_of_letters_costs_no_time() -> None:
    text = "x" * 300_000 + "=token"

    assert redact(text) == text


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("spark.hadoop.fs.s3a.secret.key", PLANTED, True),
        ("spark.ssl.keyPassword", PLANTED, True),
        ("AWS_SECRET_ACCESS_KEY", PLANTED, True),
        ("spark.hadoop.fs.s3a.aws.credentials.provider", "org.example.Provider", False),
        ("spark.authenticate.secretFile", "/run/secret", False),
        ("spark.authenticate.secretBitLength", "256", False),
        ("DB_PASS", PLANTED, True),
        ("DB_PWD", PLANTED, True),
        ("SMTP_PASS", PLANTED, True),
        ("GITHUB_PAT", PLANTED, True),
        ("PWD", "/home/me/project", False),
        ("COMPASS", PLANTED, False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("spark.hadoop.fs.s3a.secret.key", "{{secrets/scope/key}}", False),
        ("spark.sql.shuffle.partitions", PLANTED, False),
    ],
)
def test_a_setting_that_only_sounds_like_a_secret_is_told_apart(name, value, holds) -> None:
    assert holds_a_secret(name, value) is holds


def test_settings_are_redacted_by_name_and_by_what_they_hold() -> None:
    settings = {"spark.x.password": "x", "spark.jdbc": f"jdbc:db://me:{PLANTED}@h", "spark.a": "2"}

    assert redact_settings(settings) == {
        "spark.a": "2",
        "spark.jdbc": "jdbc:db://***@h",
        "spark.x.password": REDACTED,
    }


def test_a_document_is_redacted_at_any_depth_and_keeps_its_form() -> None:
    document = {"a": [{"b": f"https://me:{PLANTED}@h"}], "n": 1.5, "none": None}

    assert redact_document(document) == {"a": [{"b": "https://***@h"}], "n": 1.5, "none": None}


class Stubborn(Exception):
    """Keeps its message where nobody can change it, as errors of clients do."""

    def __str__(self) -> str:
        return f"connecting with {PLANTED}"


def shown(error: BaseException) -> str:
    """All that a log or Dagster would store of an exception, also what is suppressed."""
    whole = traceback.TracebackException.from_exception(error)
    parts, pending = [], [whole]
    while pending:
        one = pending.pop()
        parts.append(str(one))
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(parts)


def test_an_exception_keeps_its_class_and_loses_the_secret() -> None:
    error = ValueError(f"bad password {PLANTED}")

    assert redact_exception(error, [PLANTED]) is error
    assert str(error) == f"bad password {REDACTED}"


def test_a_refusal_keeps_its_exit_code() -> None:
    error = redact_exception(Outside("no answer", stored=PLANTED), [PLANTED])

    assert isinstance(error, Outside)
    assert PLANTED not in str(error)


def test_an_exception_whose_message_can_t_be_changed_is_replaced_by_its_words() -> None:
    error = redact_exception(Stubborn(), [PLANTED])

    assert isinstance(error, Redacted)
    assert str(error) == f"Stubborn: connecting with {REDACTED}"


@pytest.mark.parametrize("inner", [ValueError(PLANTED), Stubborn(), OSError(2, "no such file", PLANTED)], ids=repr)
@pytest.mark.parametrize("explicit", [True, False], ids=["a cause", "a context"])
def test_what_an_exception_was_raised_from_loses_the_secret_too(inner, explicit) -> None:
    def fail() -> None:
        try:
            raise inner
        except Exception as error:
            if explicit:
                raise RuntimeError("the step failed") from error
            raise RuntimeError("the step failed")  # noqa: B904 - an implicit context is the point

    with pytest.raises(RuntimeError) as failed:
        fail()
    error = redact_exception(failed.value, [PLANTED])

    assert PLANTED not in shown(error)
    assert "the step failed" in shown(error)


def test_notes_and_groups_lose_the_secret_too() -> None:
    error = ExceptionGroup("two failed", [ValueError(PLANTED), ValueError("other")])
    error.add_note(f"tried {PLANTED}")

    cleaned = redact_exception(error, [PLANTED])

    assert PLANTED not in "".join(traceback.format_exception(cleaned))
