"""Whatever is quoted in a message, it stays on its line, steers no terminal and shows no password."""

from __future__ import annotations

import pytest

from repro_assets.one_line import LONGEST, one_line

HOSTILE = {
    "a line break": "a\nb",
    "a carriage return": "a\rb",
    "a separator of lines": "a\u2028b",
    "a colour": "\x1b[31mred",
    "a title of the window": "\x1b]0;owned\x07",
    "a C1 control": "\x9b31m",
    "a bell": "\x07",
    "a backspace": "a\x08b",
    "NUL": "a\x00b",
    "a mark that turns the direction": "\u202egnp.exe",
    "an invisible joiner": "a\u200db",
    "a byte that is no text": "a\udcff",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_steers_a_terminal_becomes_its_escape(text) -> None:
    line = one_line(text)

    assert line.isprintable()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("text", ["plain", "größe", "日本語", "🙂", "a 'quote' and \"another\"", "C:\\path"], ids=repr)
def test_what_people_write_stays(text) -> None:
    assert one_line(text) == text


def test_what_is_too_long_is_cut_and_says_so() -> None:
    line = one_line("x" * (LONGEST + 1234))

    assert line == "x" * LONGEST + "… (1,234 more characters)"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:pw@host/path", "https://***@host/path"),
        ("https://token@host/path", "https://***@host/path"),
        ("https://me:p@ss@host", "https://***@host"),
        ("https://me:pa/ss@host", "https://***@host"),  # repro: no secret
        ("s3://key:secret@bucket/lake", "s3://***@bucket/lake"),
        ("jdbc:postgresql://me:pw@db:5432/x", "jdbc:postgresql://***@db:5432/x"),
        ("https://me:p;w@host", "https://***@host"),  # repro: no secret
        ("https://me:1;w@host", "https://***@host"),  # repro: no secret
        ("jdbc:sqlserver://h;user=sa;a=P@x;b=1", "jdbc:sqlserver://h;user=sa;a=P@x;b=1"),
        ("jdbc:sqlserver://h:1433;user=sa;a=P@x", "jdbc:sqlserver://h:1433;user=sa;a=P@x"),  # repro: no secret
        ("https://host?mail=a@b", "https://host?mail=a@b"),
        ("http://127.0.0.1:5000/#/runs/a@b", "http://127.0.0.1:5000/#/runs/a@b"),
        ("file:///home/me/a b", "file:///home/me/a b"),
        ("mail me@example.org", "mail me@example.org"),
    ],
)
def test_an_address_is_shown_without_user_and_password(address, shown) -> None:
    assert one_line(f"stored {address}, expected") == f"stored {shown}, expected"
