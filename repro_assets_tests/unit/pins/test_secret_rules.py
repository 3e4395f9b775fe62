"""Each rule finds its secret, and neither this project nor ordinary text trips one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repro_assets.pins.secret_rules import RULES, find_secret

PROJECT = Path(__file__).parents[3]

# Put together here, so that these very lines don't stop a capture.
SECRETS = {
    "PEM key": "-----BEGIN " + "PRIVATE KEY-----",
    "RSA key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "SSH key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "PGP key": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    "SSH key, RFC 4716": "---- BEGIN " + "SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY key": "PuTTY-User-Key-File-" + "3: ssh-ed25519",
    "age key": "AGE-SECRET-KEY-" + "1" + "QW3" * 19 + "X",
    "service account": '{"private_key": "-----BEGIN ' + 'PRIVATE KEY-----\\nMII"}',
    "AWS": "AKIA" + "Q3EGRIFZ2ABCDEFG",
    "AWS, temporary": "key = ASIA" + "Q3EGRIFZ2ABCDEFG;",
    "AWS secret": "aws_secret_access_key" + " = " + "aB3/" * 10,
    "AWS secret, exported": "export AWS_SECRET_ACCESS_KEY" + "='" + "aB3+" * 10 + "'",
    "AWS secret, JSON": '"aws_secret_access_key"' + ': "' + "aB3+" * 10 + '"',
    "Anthropic": "sk-ant-" + "api03-" + "aB3_" * 20,
    "Azure, shared access": "https://x.example.org/c?sv=2024&" + "sig=" + "aB3%2f" * 9 + "%3D",
    "Azure": "AccountKey=" + "Ab1/" * 21 + "==",
    "Google": "AIza" + "Sy0_-" * 7,
    "Databricks": "dapi" + "0123456789abcdef" * 2,
    "Databricks, OAuth": "dose" + "0123456789abcdef" * 2,
    "DigitalOcean": "dop_v1_" + "0123456789abcdef" * 4,
    "Docker": "dckr_pat_" + "aB3" * 9,
    "Google, OAuth": "GOCSPX-" + "aB3_" * 7,
    "GitHub": "ghp_" + "aB3d" * 9,
    "GitHub, fine-grained": "github_pat_" + "aB3d_" * 8,
    "GitLab": "glpat-" + "aB3d-" * 4,
    "GitLab, runner": "glrt-" + "aB3d-" * 4,
    "Hugging Face": "hf_" + "aB" * 17,
    "Vault": "hvs." + "aB3" * 30,
    "npm": "npm_" + "aB3d" * 9,
    "OpenAI": "sk-proj-" + "aB3d" * 5 + "T3Blbk" + "FJ" + "aB3d" * 5,
    "Stripe": "sk_live_" + "aB3d" * 6,
    "Kaggle": '{"username": "me", "key"' + ': "0123456789abcdef0123456789abcdef"}',
    "package index": "pypi-" + "AgEI" + "cHlwaS5vcmc" * 5,
    "Slack": "xoxb-" + "1234567890-" * 2,
    "Slack, webhook": "https://hooks.slack" + ".com/services/T0AB1CD2E/B0AB1CD2E/" + "aB3d" * 6,
    "SendGrid": "SG" + "." + "aB3d_" * 4 + "." + "aB3d" * 10,
    "S3, in code": '.config("spark.hadoop.fs.s3a.secret' + '.key", "' + "aB3/" * 10 + '")',
    "S3, properties": "spark.hadoop.fs.s3a.bucket.raw.secret" + ".key  " + "aB3/" * 10,
    "S3, assigned": "fs.s3a.session" + ".token=" + "aB3/" * 40 + "==",
    "S3, JSON": '"fs.s3a.secret' + '.key": "' + "aB3/" * 10 + '"',
    "S3, XML": "<name>fs.s3a.secret" + ".key</name>\n  <value>" + "aB3/" * 10 + "</value>",
    "signed web token": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + "." + "aB3_" * 10,
    "address of a database": "postgresql://me:" + "hunter2@db.example.org/mlflow",
    "address without a user": "redis://:" + "hunter2@[::1]:6379/0",
    "address with percent encoding": "postgresql://svc:" + "Tr0ub%40dor9@db",
    "address with a dollar in its password": "postgresql://svc:" + "Tr0ub$dor9@db",
    "address with a slash in its password": "postgresql://u:" + "p/w@h",
    "Azure, as a setting": "fs.azure.account.key" + ".acct.dfs.core.windows.net=" + "Ab1/" * 21 + "Ab==",
    "Azure, in code": 'conf.set("fs.azure.account.key' + '.acct.dfs.core.windows.net", "' + "Ab1/" * 21 + 'Ab==")',
    "address of Oracle": "jdbc:oracle:thin:" + "scott/tiger@//h:1521/x",
    "address of PostgreSQL with its settings": "jdbc:postgresql://h/db?user=u&pass" + "word=Zq7pw99xK",
    "address of SQL Server": "jdbc:sqlserver://h;user=sa;pass" + "word=P@ssw0rd99",
    "address in capitals": "POSTGRESQL://me:" + "hunter2@db.example.org/mlflow",
    "address of SQL Server with braces": "jdbc:sqlserver://h;user=sa;pass" + "word={P@ss;w0rd99};x=true",
    "address of MySQL with its settings": "jdbc:mysql://(host=h,port=3306,user=u,pass" + "word=Zq7pw99xK)/d",
    "connection string": "Server=h;User Id=sa;Pass" + "word=P@ssw0rd99;Encrypt=yes",
    "address with a token among its settings": "https://h/hook?x=1&access_to" + "ken=a1b2c3d4e5",
    "address with a key among its settings": "https://h/v1?api_k" + "ey=a1b2c3d4e5",
    "address with a token as its user": "https://" + "a1b2C3d4" * 4 + "@host/simple",
    "address with a token and no password": "https://" + "a1b2C3d4" * 4 + ":@host/simple",
    "AWS, session": "aws_session" + "_token = " + "IQoJb3JpZ2luX2VjE" * 6 + "==",
    "Atlassian": "ATATT3" + "xFfGF0aB3_-" * 6 + "=0A1B2C3D",
    "Docker, registry": '{"auths": {"r": {"au' + 'th": "bWU6aHVudGVyMnBsYW50ZWQ="}}}',
    "GitLab, deploy": "gldt-" + "aB3d-" * 4,
    "GitLab, trigger": "glptt-" + "0a1b" * 10,
    "Google, access": "ya29." + "a0AfH6SMB_" * 6,
    "npm, registry": "//registry.npmjs.org/:_auth" + "Token=0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f",
    "OpenAI, project": "sk-proj-" + "aB3d_" * 20,
    "Shopify": "shpat_" + "0a1b2c3d" * 4,
    "Slack, app": "xapp-" + "1-A0B1C2D3E4-1234567890123-" + "0a1b2c3d" * 8,
    "Twilio": "SK" + "0a1b2c3d" * 4,
    "header": "'Authorization': 'Bear" + "er kR7vhunter2planted'",
    "header, curl": "-H 'authorization: bas" + "ic bWU6aHVudGVyMnBsYW50ZWQ='",
    "address of SQL Server, letters": "jdbc:sqlserver://h;user=sa;pass" + "word=hunterplanted",
    "address of PostgreSQL, letters": "jdbc:postgresql://h/db?user=u&pass" + "word=hunterplanted&ssl=true",
    "address of a repository": "https://oauth2:" + "a1b2c3d4@git.example.org/p.git",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_found_with_its_line(secret):
    found = find_secret(f"first\nsecond {secret} more\n".encode())

    assert found is not None
    assert found.line == 2


def test_every_rule_has_a_secret_that_it_finds():
    found = {find_secret(secret.encode()).rule for secret in SECRETS.values()}

    assert found == {rule.name for rule in RULES}


def test_what_is_found_never_carries_the_secret_itself():
    secret = SECRETS["GitHub"]

    assert secret not in repr(find_secret(secret.encode()))


def test_a_secret_in_utf_16_is_found():
    assert find_secret(f"line\n{SECRETS['AWS']}".encode("utf-16")).line == 2


def test_a_secret_between_other_bytes_is_found():
    assert find_secret(b"\x00\xff\n" + SECRETS["RSA key"].encode() + b"\x00") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN " + "PUBLIC KEY-----",
        "-----BEGIN " + "CERTIFICATE-----",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "aws_secret_access_key" + " = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "aws_secret_access_key" + " = os.environ['AWS_SECRET_ACCESS_KEY']",
        "AWS_SECRET_ACCESS_KEY" + "=$" + "{SECRET_FROM_THE_VAULT_OF_THE_TEAM_NAMED_BELOW}",
        "?sig=" + "short",
        "npm_config_registry",
        "the setting fs.s3a.secret.key holds a secret",
        "fs.s3a.secret.key " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "jdbc:mysql://(host=h,user=u,password=password)/d",
        "sk_test_" + "aB3d" * 6,
        "XAKIA" + "Q3EGRIFZ2ABCDEFGH",
        "dapi" + "0123",
        "ghp_" + "short",
        "hf_hub_download(" + "repo_id)",
        '{"key": "0123456789abcdef0123456789abcdef"}',
        '{"auth": "AuthorizationCode"}',
        '{"auth": "required"}',
        "//registry.npmjs.org/:_authToken=$" + "{NPM_TOKEN_OF_THE_TEAM_2}",
        "Authorization: Bearer $" + "{TOKEN_OF_THE_SERVICE_1}",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Authorization: Bearer <token>",
        "aws_session_token" + " = os.environ['AWS_SESSION_TOKEN']",
        "jdbc:postgresql://h/db?user=u&password=<password>",
        "jdbc:sqlserver://h;user=sa;password=yourpassword;x=1",
        "SKLEARN_VERSION_0123456789abcdef0123456789abcdef",
        "sha256:" + "0123456789abcdef" * 4,
    ],
)
def test_text_that_is_no_secret_passes(text):
    assert find_secret(text.encode()) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://user:password@example.org",
        "https://me:secret@127.0.0.1:5000",
        "http://user:$PASSWORD@host",
        "postgresql://{user}:{password}@{host}/db",
        "https://<user>:<password>@host",
        "https://user@example.org/a:b@c",
        "http://127.0.0.1:5000/a@b",
        "http://host:port/a@b",
        "postgresql://me:%s@host/db",
        "https://user:$" + "{PASSWORD}/x@host",
        "s3://bucket/key:with@signs",
        "jdbc:postgresql://h/db?user=u&password=password",
        "jdbc:sqlserver://h;user=sa;password={PASSWORD};x=1",
        "jdbc:sqlserver://h;user=sa;password=$" + "{PASSWORD_2}",
        "jdbc:sqlserver://h;user=sa;password=(redacted)1;x=1",
        "https://h/list?pageToken=a1b2c3d4e5&sort_key=a1b2c3d4e5",
        "https://codecov.io/gh/badge.svg?token=a1b2c3d4e5",
        "https://my-organization-of-people@dev.example.org/project",
        "https://service1@host/path",
        "mailto:someone@example.org",
        "git@example.org:team/project.git",
    ],
)
def test_an_address_without_a_password_of_anybody_passes(address):
    assert find_secret(address.encode()) is None


def test_a_line_that_says_so_is_left_alone_and_no_other():
    secret = SECRETS["GitHub"]
    content = f"key = '{secret}'  # repro: no secret\nother = '{secret}'\n".encode()

    assert find_secret(content.splitlines()[0]) is None
    assert find_secret(content).line == 2


def test_no_file_of_this_project_looks_like_a_secret():
    listed = subprocess.run(["git", "-C", str(PROJECT), "ls-files", "-z"], check=True, capture_output=True).stdout
    files = [path for name in listed.decode().split("\0") if name and (path := PROJECT / name).is_file()]

    assert len(files) > 400
    assert [str(path) for path in files if find_secret(path.read_bytes())] == []


@pytest.mark.parametrize(
    "text", [b"fs.azure.account.key" + b" " * 400_000, b"://" + b"a://b:c" * 10_000], ids=["blanks", "addresses"]
)
def test_a_long_row_of_what_may_begin_a_secret_is_searched_once(text) -> None:
    """Searched from every place to its end, it would take minutes."""
    assert find_secret(text) is None
