"""A literal that a source assigns to a name that says secret is found; what manuals, code and tests write there is not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from repro_assets.pins.assigned_secrets import RULE, find_assigned

PROJECT = Path(__file__).parents[3]

# Put together in `source`, so that these lines would not be found themselves where tests are searched.
FOUND = {
    "a password": 'DB_PASSWORD = "kR7vQ2mm"',
    "a word and a digit": "password = 'hunter2'",
    "with a type": 'smtp_passwd: str = "kR7v-Q2mm"',
    "a key of an interface": "API_KEY='9f8e7d6c5b4a'",
    "an item of a dictionary": '"client_secret": "kR7v~Q2mm.xY"',
    "an item that is set": "os.environ['SERVICE_TOKEN'] = 'kR7vQ2mmxY9z'",
    "an argument": 'connect(user="me", password="kR7v!Q2mm")',
    "long and of letters": 'token = "kRvQmmxYzAbQwErTyUiOp"',
    "signs among letters": 'passphrase = "correct!horse#battery"',
    "in a notebook": '"source": ["password = \\"kR7vQ2mm\\""]',
    "YAML": "password: 'kR7vQ2mm'",
    "a word that is said of keys inside": "pwd = 'monkey12!'",
    "every sign of a keyboard": "password = 'kR7,v;Q$2(m)+[m]%'",
    "half an angle": 'password = "kR7>vQ2mm"',
}
PASSING = {
    "nothing": 'password = ""',
    "a placeholder": 'password = "changeme1"',
    "an example": 'API_KEY = "example-4f3a2b1c"',
    "a name in angles": 'token = "<your token 1>"',
    "a variable": 'password = "${DB_PASSWORD_2}"',
    "a place in a text": 'password = f"{password1}"',
    "a variable of the environment": "password = os.environ['DB_PASSWORD_1']",
    "crosses": 'secret = "xxxxxxxx1"',
    "stock": 'secret_key = "my_secret_key_123"',
    "a plain word": 'password = "password"',
    "the kind of a token": 'token = "oauth2"',
    "a name of words": 'secret = "warehouse-reader-v2"',
    "a dotted name": 'token = "service.auth.token1"',
    "a path": 'secret = "/run/secrets/db1"',
    "an address": 'token = "https://h/oauth2/token"',
    "a sentence": 'password = "it has 8 letters"',
    "about a token": 'token_type = "kR7vQ2mm"',
    "a field": 'password_field = "kR7vQ2mm"',
    "a comparison": 'if token == "kR7vQ2mm"',
    "a page's token": 'next_page_token = "kR7vQ2mm"',
    "the token of a library": 'publicKeyToken="1fc8b3b9a1e18e3b"',
    "a colour": 'Token: "#f8f8f2"',
    "digits": 'token = "20200611"',
    "a command": 'password = "$(pass1)"',
    "a variable of the shell": 'password = "$DB_PASSWORD2"',
    "a format": 'password = "%(password1)s"',
    "an older format": 'password = "p%s1word"',
    "a name in angles inside": 'password = "me-<id>-1"',
    "the pattern of a lexer": 'token = "[a-z][a-z0-9]*"',
}
# Without quotes, in a file of settings.
SETTINGS = {
    ".env": "DB_PASSWORD=kR7vQ2mm",
    "deploy/.env.production": "export API_KEY=9f8e7d6c5b4a",
    "prod.env": "SECRET=kR7v,Q2;m(m)$x",
    "alembic.ini": "password = kR7vQ2mm",
    "setup.cfg": "password = kR7v%Q2mm  # of the index",
    "redis.conf": "access_key = kR7v#Q2mm",
    "log.properties": "ssl.keystore.password=kR7<Q2mm",
    "chart/values.yaml": "  dbPassword: kR7vQ2mm",
    "compose.yml": "      - POSTGRES_PASSWORD=kR7vQ2mm\r",
    "app.toml": "password = kR7vQ2mm",
}
NO_SETTING = {
    "a variable": "password: ${DB_PASSWORD1}",
    "a secret of a workflow": "token: ${{secrets.TOKEN1}}",
    "a template": "password: {{ db_password1 }}",
    "an option of the file": "password = %(password1)s",
    "a name in angles": "password: <password-1>",
    "another place": "password: *password1",
    "an encrypted value": "password: ENC[AES256_GCM,data:kR7vQ2mm]",
    "an image": "image: registry/secret:v1.2.3",
    "a sentence": "password: has 8 letters or more",
    "a version": "secret==1.2.3rc1",
    "about one": "token_file: kR7vQ2mm",
    "a word": "secret: warehouse-reader-v2",
}


@pytest.mark.parametrize("line", FOUND.values(), ids=list(FOUND))
def test_a_literal_is_found_with_its_line(line) -> None:
    found = find_assigned(f"x = 1\n{line}\n".encode(), "p/a.py")

    assert found is not None
    assert (found.rule, found.line) == (RULE, 2)


@pytest.mark.parametrize("line", PASSING.values(), ids=list(PASSING))
def test_what_opens_nothing_passes(line) -> None:
    assert find_assigned(f"{line}\n".encode(), "p/a.py") is None


@pytest.mark.parametrize(("path", "line"), SETTINGS.items(), ids=list(SETTINGS))
def test_in_a_file_of_settings_the_rest_of_the_line_is_found(path, line) -> None:
    found = find_assigned(f"x: 1\n{line}\ny: 2\n".encode(), path)

    assert found is not None
    assert found.line == 2


@pytest.mark.parametrize("line", NO_SETTING.values(), ids=list(NO_SETTING))
def test_a_setting_that_opens_nothing_passes(line) -> None:
    assert find_assigned(f"{line}\n".encode(), "p/a.yaml") is None


def test_without_quotes_a_source_says_no_literal() -> None:
    assert find_assigned(b"password = kR7vQ2mm", "a.py") is None


@pytest.mark.parametrize("path", ["a.py", "a.ini"])
def test_a_file_in_utf_16_is_searched_too(path) -> None:
    assert find_assigned("x\npassword = 'kR7vQ2mm'\n".encode("utf-16"), path).line == 2


@pytest.mark.parametrize(
    "path",
    [
        "tests/a.py",
        "p/test_a.py",
        "p_tests/unit/a.py",
        "p/testing/a.ini",
        "fixtures/.env",
        "p/a_test.go",
        "p/conftest.py",
    ],
)
def test_below_a_folder_of_tests_nothing_is_looked_for(path) -> None:
    assert find_assigned(b'password = "kR7vQ2mm"', path) is None


@pytest.mark.parametrize(
    "path",
    [
        "p/attest.py",
        "p/latest/a.py",
        "contests.py",
        "deploy/test-cluster/a.py",
        "test.env/a.py",
        "my.test/a.py",
        "test_cluster/a.py",
        "tests",
    ],
)
def test_a_name_that_only_sounds_like_tests_is_looked_into(path) -> None:
    assert find_assigned(b'password = "kR7vQ2mm"', path) is not None


def test_a_line_that_says_so_is_left_alone_and_no_other() -> None:
    content = b'password = "kR7vQ2mm"  # repro: no secret\npassword = "kR7vQ2mm"\n'

    assert find_assigned(content, "a.py").line == 2


def test_a_long_row_of_letters_costs_no_time() -> None:
    assert find_assigned(b"password" * 100_000, "a.py") is None


@pytest.mark.parametrize("name", ["password", "token"])
@pytest.mark.parametrize("row", ["a", "aB", "a-", "pass", "a1-"])
def test_a_long_value_is_judged_at_once(name, row) -> None:
    """Tried in every way to cut it into words, it would never end."""
    value = (row * 200)[:198] + "!9"

    assert find_assigned(f'{name} = "{value}"'.encode(), "a.py") is not None


def test_no_file_of_this_project_has_one() -> None:
    listed = subprocess.run(["git", "-C", str(PROJECT), "ls-files", "-z"], check=True, capture_output=True).stdout
    names = [name for name in listed.decode().split("\0") if name and (PROJECT / name).is_file()]

    assert len(names) > 400
    assert [name for name in names if find_assigned((PROJECT / name).read_bytes(), name)] == []
