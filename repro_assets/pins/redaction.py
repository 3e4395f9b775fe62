"""Taking secrets out of what is written down or shown: texts, settings, exceptions.

Here belongs how a secret is replaced, by rule and by value.
What does not: the rules for files (`pins.secret_rules`), and which values this process knows (`resources.known_secrets`).

A text is searched for what `secret_rules` knows, for addresses with a user, for what follows `password=` and its like,
and for values that are known to be secret whatever they look like.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from repro_assets.one_line import without_password
from repro_assets.pins.secret_rules import RULES

REDACTED = "(redacted)"
# A shorter value, or a short plain word, stands in too many texts by chance: `postgres:postgres@` is everywhere.
SHORTEST = 6
_SHORTEST_WORD = 12
# One or two characters stand in every document: a number of cores may be named by a variable too.
_SHORTEST_NAMED = 3

_SECRET_NAME = re.compile(
    r"secret|passw|passphrase|token|credential|[._-]key\b|[._-]key[._-]|[a-z]key\b|sas\b|sas[._]|[._-](?:pass|pwd|pat)$",
    re.IGNORECASE,
)
# Names that only sound like one: they say where a secret is, or of what kind it is.
_ABOUT_A_SECRET = re.compile(
    r"(?:provider|providers|type|class|enabled|algorithm|regex|format|length|bits|timeout|interval|file|path)$",
    re.IGNORECASE,
)
_PLAIN_VALUE = re.compile(r"|true|false|yes|no|\d{1,9}|\{\{secrets/[\w.-]+/[\w.-]+\}\}", re.IGNORECASE)

_WORDS = r"passw(?:or)?d|passphrase|pwd|secret|token|credentials?|api[._-]?key|access[._-]?key|account[._-]?key"
# Short for a password, at the end of a name of several words or alone.
_SHORT = r"(?<![\w.-])(?:[\w.-]{0,40}[._-])?(?:pass|passcode|pw)(?![\w.-])"
_SIGNATURE = r"\b(?:sig|x-(?:amz|goog)-signature)"
# Bounded on both sides of the word: a text may be one long row of letters.
_NAME = rf"(?:[\w.-]{{0,40}}(?:{_WORDS})[\w.-]{{0,80}}|{_SIGNATURE}|{_SHORT})"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
# JSON in a string of JSON.
_QUOTED_TWICE = r"\\\"(?:(?!\\\")[^\n])*\\\""
# In braces a connection string's value may hold anything.
_BRACES = r"\{(?:[^{}\n]|\}\})*\}"
_VALUE = rf"(?<==){_BRACES}|\{{\{{[^{{}}\s]*\}}\}}|{_QUOTED_TWICE}|{_QUOTED}|[^\s,;&\"')}}\]]+"
_ASSIGNED = re.compile(rf"(?i)(?P<name>{_NAME})(?P<is>=|\\?[\"']\s*:\s*)(?P<value>{_VALUE})")
# Among the settings of an address a value may hold a comma.
_IN_ADDRESS = re.compile(rf"(?i)(?P<name>[?&;]{_NAME})(?P<is>=)(?P<value>(?!\{{)[^\s;&\"'<>\\]+)")
_XML = re.compile(
    rf"(?i)(?P<name><name>\s{{0,20}}{_NAME}\s{{0,20}}</name>\s{{0,80}}<value|<{_NAME})(?P<is>>)(?P<value>[^<]{{1,2000}})(?=</)"
)
_COOKIE = re.compile(r"(?i)(\b(?:set-)?cookie[\"']?\s*:\s*[\"']?)[^\s\"'=]+=[^\r\n\"']*")
# With blanks around it, as in sources and files of properties; what is called or looked up there is code, not a value.
_SPACED = re.compile(
    rf"(?i)(?P<name>{_NAME})(?P<is>[\"']?[ \t]{{1,20}}=(?![=~])[ \t]{{0,20}}|[\"']?=[ \t]{{1,20}}|[ \t]{{0,20}}->[ \t]{{0,20}})"
    rf"(?P<value>{_QUOTED}|[^\s,;&\"'()\[\]{{}}]++(?![(\[]))"
)
# `("spark.x.password", "x")`, as settings are given and listed.
_PAIR = re.compile(
    rf"(?i)(?P<name>\(\s{{0,20}}[\"']{_NAME})(?P<is>[\"'],\s{{0,20}})(?P<value>{_QUOTED})(?=\s{{0,20}}\))"
)
# `fs.s3a.secret.key x`, a line of its own, or with a digit in the value: elsewhere it is a sentence about a setting.
_DOTTED = r"[\w.-]{1,120}\.[\w-]{0,40}(?:passw(?:or)?d|passphrase|secret|token|(?:secret|access|account|api)[._-]?key)"
_PROPERTY = re.compile(
    rf"(?im)(?P<name>^[ \t]*{_DOTTED}(?=[ \t]+\S+[ \t]*$)|(?<!\S){_DOTTED}(?=[ \t]+(?=\S*\d)\S{{6}}))(?P<is>[ \t]+)"
    rf"(?P<value>{_QUOTED}|[^\s,;&\"')}}\]]+)"
)
# In prose `token: ...` and `secret: ...` are mostly none, and neither is `blank_key: a key is blank`.
_LABEL = r"(?:[\w-]{0,40}passw(?:or)?d|passphrase|pwd|[\w-]{0,40}[._-](?:secret|token|key)(?-i:(?!:[ \t]+[a-z]{1,12}[ \t]+[a-z])))"
_LABELLED = re.compile(rf"(?i)(?P<name>\b{_LABEL})(?P<is>[ \t]?:[ \t]+)(?P<value>{_VALUE})")
_OPTION = re.compile(rf"(?i)(?P<name>(?<!\S)--?[\w-]{{0,40}}(?:{_WORDS}))(?P<is>[ \t]+)(?P<value>(?!-){_VALUE})")
_ORACLE = re.compile(r"(?i)(?<=jdbc:oracle:)([a-z]+:)[^\s/:@]+/[^\s@]+@(?:[^\s@/]*@)*")
_HINT = re.compile(
    rf"(?i)(?:{_WORDS}|[._-]key)[\w.-]{{0,80}}[=\"':<>\s\\-]|\bsig=|-signature=|(?<![a-z])(?:pass|passcode|pw)\\?[\"']?\s*[=:]"
)
_AUTHORIZATION = re.compile(
    r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+|\bbearer\s+(?=\S*\d))[^\s\"',;]{6,}"
)
# Between the words of a command there are blanks; in a list of them also quotes and commas.
_GAP = r"[\s,\"'=]{1,4}"
_WORDS_BETWEEN = r"[^\n|;&]{0,300}?"
_SAID_VALUE = r"[^\s,\"']+"
# How commands and people say a password; the first group stays.
_SAID = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(\b(?:curl|wget|https?)\b{_WORDS_BETWEEN}[\s\"'](?:-u|--user|--proxy-user){_GAP}[^\s:,\"']+:){_SAID_VALUE}",
        rf"(\bsshpass\b{_WORDS_BETWEEN}[\s\"']-p(?:{_GAP})?){_SAID_VALUE}",
        # Digits alone after `-p` are more often a port.
        rf"(\b(?:mysql|mariadb)[a-z-]{{0,20}}\b{_WORDS_BETWEEN}[\s\"']-p)"
        rf"(?![\s\"']|\d{{1,5}}(?![^\s,\"'])){_SAID_VALUE}",
        rf"(\b(?:docker|podman|az|oc|helm|skopeo|buildah)\b[\s,\"']{{1,4}}(?:[a-z-]{{1,20}}[\s,\"']{{1,4}}){{0,2}}login\b"
        rf"{_WORDS_BETWEEN}[\s\"']-p{_GAP}){_SAID_VALUE}",
        rf"(\bredis-cli\b{_WORDS_BETWEEN}[\s\"']-a{_GAP}){_SAID_VALUE}",
        rf"(\b(?:sqlcmd|bcp)\b{_WORDS_BETWEEN}[\s\"']-P(?:{_GAP})?){_SAID_VALUE}",
        r"(\blogin\s+[^\s:]+\s+password\s+)\S+",
        # With a digit, a sign or a capital inside: `the password is wrong` is a sentence.
        r"((?i:\b(?:password|passwd|passphrase|passcode|pwd|secret|token|api[ _-]?key)[ \t]+(?:is|was)[ \t]*:?[ \t]+[\"'`]?))"
        r"(?=[^\s\"'`]*[A-Za-z])(?=[^\s\"'`]*[\d!@#$%^&*+]|[^\s\"'`]+[A-Z])[^\s,;\"'`]{4,}",
    )
)
_SAID_HINT = re.compile(
    r"(?i)curl|wget|http|sshpass|mysql|mariadb|login|redis-cli|sqlcmd|bcp|(?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|key)[ \t]+(?:is|was)"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)"
    r"|---- BEGIN SSH2 [A-Z ]*PRIVATE KEY ----.*?(?:---- END SSH2 [A-Z ]*----|\Z)"
    r"|PuTTY-User-Key-File-\d: [a-z].*?(?:Private-MAC: \w+|\Z)",
    re.DOTALL,
)


class NamedSecret(str):
    """A value that somebody said is a secret: taken out however plain it looks, from three characters on."""

    __slots__ = ()


class Redacted(Exception):
    """Stands for an exception that could not be shown as it was: its class and its message, without the secret."""


def names_a_secret(name: str) -> bool:
    """Whether a setting or variable of this name holds a secret, as people name such things."""
    return _SECRET_NAME.search(name) is not None


def holds_a_secret(name: str, value: str) -> bool:
    """Whether a setting holds a secret itself, and not a file, a class or a switch that has to do with one."""
    return names_a_secret(name) and not _ABOUT_A_SECRET.search(name) and not _PLAIN_VALUE.fullmatch(value)


def is_credential(name: str, value: str) -> bool:
    """Whether a parameter or tag is one; narrower than `holds_a_secret`, since a `sort_key` of somebody's is none."""
    return re.search(_WORDS, name, re.IGNORECASE) is not None and holds_a_secret(name, value)


def redact(text: str, known: Collection[str] = ()) -> str:
    """A text without the secrets in it.

    Args:
        text: Anything: a log line, a message, an address, a document.
        known: Values that are secret whatever they look like; too short ones are passed over.
    """
    text = _without_said(redact_known(text, known))
    text = _ORACLE.sub(r"\1***@", _KEY_BLOCK.sub(REDACTED, text))
    # Before addresses: in `;password=P@ss` what stands behind the `@` is no host, and would be left.
    text = _without_assigned(_COOKIE.sub(rf"\1{REDACTED}", text), _IN_ADDRESS, _ASSIGNED, _XML)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", _by_rules(without_password(text)))
    return _without_assigned(text, _SPACED, _PAIR, _PROPERTY, _LABELLED, _OPTION)


def redact_known(text: str, known: Collection[str]) -> str:
    """A text without the values that are known to be secret; too short ones are passed over."""
    # The longest first: one value may stand inside another.
    for value in sorted(filter(_is_telling, known), key=len, reverse=True):
        # A short one is a secret where it stands alone, not inside another word.
        short = rf"(?<!\w){re.escape(value)}(?!\w)" if len(value) < SHORTEST else re.escape(value)
        text = re.sub(short, REDACTED, text)
    return text


def redact_settings(settings: Mapping[str, str], known: Collection[str] = ()) -> dict[str, str]:
    """Settings in the order of their names, values replaced by the name and searched as any text."""
    return {
        name: REDACTED if names_a_secret(name) else redact(value, known) for name, value in sorted(settings.items())
    }


def redact_document(value: object, known: Collection[str] = ()) -> object:
    """JSON values, every text in them redacted; what holds none comes back as it is."""
    if isinstance(value, str):
        return redact(value, known)
    if isinstance(value, Mapping):
        return {name: redact_document(item, known) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_document(item, known) for item in value]
    return value


def redact_exception(error: BaseException, known: Collection[str] = ()) -> BaseException:
    """An exception without the secrets in its messages, those it was raised from included.

    Args:
        error: What was raised. Its arguments, notes and causes are changed in place.
        known: As for `redact`.

    Returns:
        `error`; a `Redacted` in its place where its message can't be changed.
    """
    for one in _chain(error):
        cleaned = tuple(redact(argument, known) if isinstance(argument, str) else argument for argument in one.args)
        if cleaned != one.args:
            one.args = cleaned
        if notes := getattr(one, "__notes__", None):
            one.__notes__ = [redact(str(note), known) for note in notes]
        if one.__cause__ is not None:
            one.__cause__ = _stand_in(one.__cause__, known)
        if one.__context__ is not None:
            one.__context__ = _stand_in(one.__context__, known)
    return _stand_in(error, known)


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and everything it was raised from, what is deepest first."""
    found: dict[int, BaseException] = {}
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in found:
            continue
        found[id(one)] = one
        inside = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        pending.extend([one.__cause__, one.__context__, *inside])
    return list(reversed(found.values()))


def _stand_in(error: BaseException, known: Collection[str]) -> BaseException:
    """An exception as it is, or one that says the same without the secret where its own text still holds it."""
    text = str(error)
    clean = redact(text, known)
    if clean == text and redact(repr(error), known) == repr(error):
        return error
    other = Redacted(f"{type(error).__name__}: {clean}")
    other.__cause__, other.__context__ = error.__cause__, error.__context__
    other.__suppress_context__ = error.__suppress_context__
    return other.with_traceback(error.__traceback__)


def _is_telling(value: str) -> bool:
    if isinstance(value, NamedSecret):
        return len(value) >= _SHORTEST_NAMED and value.lower() not in ("true", "false")
    return len(value) >= (_SHORTEST_WORD if value.isalpha() else SHORTEST)


def _by_rules(text: str) -> str:
    content = text.encode("utf-8", "surrogatepass")
    for rule in RULES:
        if any(hint in content for hint in rule.hints):
            content = rule.pattern.sub(REDACTED.encode(), content)
    return content.decode("utf-8", "surrogatepass")


def _without_said(text: str) -> str:
    if _SAID_HINT.search(text):
        for pattern in _SAID:
            text = pattern.sub(rf"\1{REDACTED}", text)
    return text


def _without_assigned(text: str, *patterns: re.Pattern[str]) -> str:
    if _HINT.search(text):
        for pattern in patterns:
            text = pattern.sub(_without_value, text)
    return text


def _without_value(match: re.Match[str]) -> str:
    value = match["value"].strip("\\\"' \n")
    about = _ABOUT_A_SECRET.search(match["name"])
    if about or _PLAIN_VALUE.fullmatch(value) or value == "***" or value.startswith(REDACTED[:-1]):
        return match[0]
    opening = re.match(r"\\?[\"']", match["value"])
    quote = opening[0] if opening else ""
    return f"{match['name']}{match['is']}{quote}{REDACTED}{quote}"
