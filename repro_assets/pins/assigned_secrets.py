"""What a source or a file of settings assigns to a name that says secret: `DB_PASSWORD = "..."`, which no form of its own gives away.

Here belongs telling such a literal from what tests, manuals and code write there: placeholders, words, names of fields.
What does not: secrets with a form of their own (`pins.secret_rules`) and taking them out of texts (`pins.redaction`).

It is a guess and cries wolf where many examples are, so folders of tests are left out, and plain words.
"""

from __future__ import annotations

import re

from repro_assets.pins.secret_rules import SecretFound, as_ascii_compatible, is_allowed

RULE = "a literal assigned to a name that says secret"

_HINTS = (b"passw", b"passphrase", b"pwd", b"secret", b"token", b"key")
_PASSWORD = rb"passw(?:or)?d|passphrase|pwd"
# The name ends in the word: a `token_type` or `password_field` is about one. A page's token opens nothing, a public one neither.
_NAME = (
    rb"(?:(?P<password>" + _PASSWORD + rb")|(?<!page)(?<!page[_-])(?<!publickey)(?:secret|token|"
    rb"(?:secret|api|access|auth|private|signing|encryption)[_-]?key))[0-9]?"
)
_QUOTED = re.compile(
    rb"(?i)" + _NAME +
    # Quoted in JSON and dictionaries, with a type in Python; in a notebook quotes are escaped.
    rb"(?:\\?[\"'])?\]?[ \t]*(?::[ \t]*(?:str|bytes|string)(?:[ \t]*\|[ \t]*None)?[ \t]*)?(?:=|:|:=|=>)(?!=)[ \t]*"
    rb"[rbu]{0,2}\\?([\"'])(?P<value>[^\s\"'\\{}`]{6,200})\\?\2"
)
# In a file of settings the rest of the line is the value; a blank follows the colon, unlike in the name of an image.
_UNQUOTED = re.compile(
    rb"(?im)" + _NAME + rb"[\"']?[ \t]*(?:=(?![=>])[ \t]*|:[ \t]+)"
    rb"(?P<value>[^\s\"'{\[#]\S{5,199})[ \t]*(?:[ \t][#;].*)?\r?$"
)
_SETTINGS = re.compile(r"(?i)(?:^|/)\.env[\w.-]*$|\.(?:env|ini|cfg|conf|properties|ya?ml|toml)$")
_PLACEHOLDER = re.compile(
    rb"(?i)example|change[-_]?me|placeholder|dummy|fake|mock|sample|redacted|your|insert|replace|todo|hidden|xxx|\*\*|\.\.\.|"
    rb"1234|abcd"
)
# What another value is put in place of, in shells, templates and formats; another place in YAML; what is encrypted; a pattern.
_REFERENCE = re.compile(
    rb"\$\{|\$\(|\{\{|\{[\w.!:]*\}|%\(|%s|<[^<>]*>|^\$\w+$|^%\w+%$|^[*&][\w.-]+$|^ENC[\[(]|\(\?[:=!<P]"
)
# Lexers' tokens are patterns, too, of a form that a password may have.
_PATTERN = re.compile(rb"\[\^|\w-\w[^\]]*\]|[\])][+*?]|\.[+*]")
# What people write who mean none: `my_secret_key`, `test123`, `postgres`.
_STOCK = re.compile(
    rb"(?i)(?:(?:my|the|a|an|some|super|default|db|api|secret|password|passwd|pass|pwd|token|key|test|demo|foo|bar|admin|root|"
    rb"user|none|null|s3cr3t|p4ssw0rd|passw0rd)[-_.]?)+[0-9]{0,6}!?"
)
# Whole names: `test-cluster` is a place where something runs.
_TESTS = re.compile(
    r"(?i)(?:^|/)(?:(?:tests?|\w+_tests|testing|fixtures)/|(?:test_[^/]*\.py|[^/]*_test\.[^/.]+|conftest\.py)$)"
)
# Places, dotted names (of a grammar with the number of a group), colours, rules of grammars (`@rematch`).
_NO_VALUE = re.compile(
    rb"[./~]{0,2}/|\w+://|@?[\w-]+(?:\.(?:[A-Za-z_][\w-]*(?:\$S?\dx?)?|\$S?\dx?))+$|#[0-9A-Fa-f]{3,8}$|@[A-Za-z]+$"
)
# Words and names of words; a version or number may follow (`oauth2`, `sha256`, `v1beta1`), but `hunter2` is a password.
# One class, no repetition within another: that would try every way to cut a row of letters before it says no.
_PLAIN_WORD = re.compile(rb"[A-Za-z][A-Za-z\-_.:/@]*")
_WORD = re.compile(rb"[A-Za-z]+[-_.:]?\d{0,3}|(?:[A-Za-z]+\d{0,2}[-_.:/@]+)+[A-Za-z]*\d{0,2}")
_LONG = 20


def find_assigned(content: bytes, path: str) -> SecretFound | None:
    """Look for the first literal that a file assigns to a name that says secret.

    Args:
        content: The file's bytes.
        path: Where it stands in the source tree; below a folder of tests nothing is looked for.

    Returns:
        Rule and line, of a file of settings the quoted ones first; None where there is none, or its line says that it is
        none (`secret_rules.ALLOWED`).
    """
    text = as_ascii_compatible(content)
    lowered = text.lower()  # ten times faster than to search without regard to case
    if _TESTS.search(path) or not any(hint in lowered for hint in _HINTS):
        return None
    for form in (_QUOTED, _UNQUOTED) if _SETTINGS.search(path) else (_QUOTED,):
        for match in form.finditer(text):
            word = _PLAIN_WORD if match["password"] else _WORD
            if _opens_something(match["value"], word) and not is_allowed(text, match):
                return SecretFound(RULE, text.count(b"\n", 0, match.start("value")) + 1)
    return None


def _opens_something(value: bytes, word: re.Pattern[bytes]) -> bool:
    """Whether a value is none of what people write in such a place without meaning it."""
    if _PLACEHOLDER.search(value) or _REFERENCE.search(value) or (word is _WORD and _PATTERN.search(value)):
        return False
    if _STOCK.fullmatch(value) or _NO_VALUE.match(value):
        return False
    if word.fullmatch(value):
        # Letters alone, in both cases and many: nobody speaks such a word.
        return value.isalpha() and len(value) >= _LONG and not value.islower() and not value.isupper()
    has_letter = re.search(rb"[A-Za-z]", value) is not None
    return has_letter and re.search(rb"[0-9!@#$^&*+=~?]", value) is not None
