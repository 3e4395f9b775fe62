"""Values that try to leave a path, a query, a command or a line of a terminal."""

from __future__ import annotations

HOSTILE = {
    "a way up": "../../etc/passwd",
    "a way up in another spelling": "..\\..\\etc",
    "a way up, encoded": "%2e%2e%2fetc",
    "an absolute path": "/etc/passwd",
    "a quote": "a'b",
    "a double quote": 'a"b',
    "a condition": "x' OR '1'='1",
    "a statement": "x; DROP TABLE runs",
    "a command": "$(touch /tmp/owned)",
    "a backtick": "`id`",
    "a line break": "a\nb",
    "a carriage return": "a\rb",
    "NUL": "a\x00b",
    "an escape sequence": "\x1b[31mred\x1b[0m",
    "a turned direction": "\u202egpj.exe",
    "an emoji": "🙂",
    "300 characters": "a" * 300,
    "a leading dash": "-rf",
    "a blank": " ",
    "nothing": "",
    "a byte that is no text": "a\udcff",
}
