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
}


@pytest.mark.parametrize("line", FOUND.values(), ids=list(FOUND))
def test_a_literal_is_found_with_its_line(line) -> None:
    found = find_assigned(f"x = 1\n{line}\n".encode(), "p/a.py")

    assert found is not None
    assert (found.rule, found.line) == (RULE, 2)


@pytest.mark.parametrize("line", PASSING.values(), ids=list(PASSING))
def test_what_opens_nothing_passes(line) -> None:
    assert find_assigned(f"{line}\n".encode(), "p/a.py") is None


@pytest.mark.parametrize("path", ["tests/a.py", "p/test_a.py", "p_tests/unit/a.py", "p/a_test.go", "p/conftest.py"])
def test_below_a_folder_of_tests_nothing_is_looked_for(path) -> None:
    assert find_assigned(b'password = "kR7vQ2mm"', path) is None


@pytest.mark.parametrize("path", ["p/attest.py", "p/latest/a.py", "contests.py"])
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
