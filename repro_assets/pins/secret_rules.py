"""What looks like a secret: the few rules that stop a capture before anything is stored.

Here belong patterns that are unmistakable: key blocks, tokens with a prefix of their own, passwords in addresses.
What does not: guesses by entropy, and by variable names (`pins.assigned_secrets`); a rule that cries wolf gets switched
off.
A capsule is kept for years and read by others, so a secret in it is a leak that deleting the file doesn't undo.

A line that holds the words of `ALLOWED` is left alone: that is how a file says that what stands there opens nothing.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

# Written in a comment on the line itself, where a reader sees it.
ALLOWED = b"repro: no secret"

# What people write where a password would stand.
_PLACEHOLDERS = r"(?i:pass|passwd|password|pw|pwd|pass?word|secret|token|user|me|your[a-z_-]*|my[a-z_-]*|example|changeme|x+|\.+|\*+)"

# Names under which an address states its password, in the cases that people write; a `pageToken` opens nothing.
_STATED = tuple(
    spelled
    for word in ("password", "passwd", "pwd", "passphrase", "secret", "token")
    for spelled in (f"{word}=", f"{word.capitalize()}=", f"{word.upper()}=")
)
_STATED_KEYS = ("key=", "Key=", "KEY=")
_KIND = r"(?i:(?:ssl|key_?store|trust_?store|user|db|client|access|account|auth|api|private|personal|secret)[._-]?)"
_STATEMENT = rf"(?:{_KIND}{{0,2}}(?:{'|'.join(_STATED)})|{_KIND}{{1,2}}(?:{'|'.join(_STATED_KEYS)}))"


@dataclass(frozen=True)
class SecretRule:
    """One kind of secret.

    Attributes:
        name: What it is, as a person would say it.
        hints: Every match contains one of these; looked for first, since that is ten times faster.
        pattern: The whole secret, to its last character: what is taken out of a text must leave no tail of it.
    """

    name: str
    hints: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


@dataclass(frozen=True)
class SecretFound:
    """Where a secret stands: rule and line, never the text itself."""

    rule: str
    line: int


def _rule(name: str, hints: tuple[str, ...], pattern: str) -> SecretRule:
    return SecretRule(name, tuple(hint.encode() for hint in hints), re.compile(pattern.encode()))


RULES: tuple[SecretRule, ...] = (
    _rule("a private key", ("PRIVATE KEY",), r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    _rule("a private key", ("PRIVATE KEY",), r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----"),
    _rule("a private key", ("PuTTY-User-Key-File-",), r"PuTTY-User-Key-File-\d: [a-z]"),
    _rule("a private key", ("AGE-SECRET-KEY-",), r"\bAGE-SECRET-KEY-1[0-9A-Z]{58,}"),
    # The vendor's documentation uses one key that ends in EXAMPLE; it opens nothing.
    _rule("an AWS access key", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{9}(?!EXAMPLE\b)[0-9A-Z]{7}\b"),
    _rule(
        "an AWS secret key",
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        r"(?i:aws_secret_access_key)[\"']?\s*[=:]\s*[\"']?(?![A-Za-z0-9/+]{30}EXAMPLEKEY)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    _rule("an Anthropic key", ("sk-ant-",), r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}"),
    _rule(
        "an AWS session token",
        ("aws_session_token", "AWS_SESSION_TOKEN"),
        r"(?i:aws_session_token)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{60,}={0,2}",
    ),
    _rule("an Atlassian token", ("ATATT3", "ATCTT3"), r"\bAT[AC]TT3[A-Za-z0-9_=-]{40,}"),
    _rule("an Azure shared access signature", ("sig=",), r"[?&;]sig=[A-Za-z0-9%+/]{43,}(?:%3[Dd]|=)[A-Za-z0-9%+/=]*"),
    _rule("an Azure storage key", ("AccountKey=",), r"AccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
    _rule("a Google API key", ("AIza",), r"\bAIza[0-9A-Za-z_-]{35,}"),
    _rule("a Databricks token", ("dapi",), r"\bdapi[0-9a-f]{32}[0-9a-z-]*"),
    _rule("a Databricks secret", ("dose",), r"\bdose[0-9a-f]{32}[0-9a-z-]*"),
    _rule("a DigitalOcean token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"\bdo[opr]_v1_[0-9a-f]{64,}"),
    # User and password in base64: with both cases and a digit or an end of its own, since `"auth": "..."` may be a word.
    _rule(
        "a password of a Docker registry",
        ('"auth"',),
        r'"auth"\s*:\s*"(?=[^"]*[0-9=])(?=[^"]*[a-z])(?=[^"]*[A-Z])'
        r'(?:[A-Za-z0-9+/]{4}){3,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"',
    ),
    _rule("a Docker token", ("dckr_pat_",), r"\bdckr_pat_[A-Za-z0-9_-]{27,}"),
    _rule("a GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    _rule("a GitHub token", ("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{40,}"),
    _rule(
        "a GitLab token",
        ("glpat-", "glrt-", "gldt-", "glptt-"),
        r"\bgl(?:pat|rt|dt|ptt)-[A-Za-z0-9_-]{20}[A-Za-z0-9_.-]*",
    ),
    _rule("a Google access token", ("ya29.",), r"\bya29\.[A-Za-z0-9_-]{20,}"),
    _rule("a Google client secret", ("GOCSPX-",), r"\bGOCSPX-[A-Za-z0-9_-]{28,}"),
    _rule("a HashiCorp Vault token", ("hvs.",), r"\bhvs\.[A-Za-z0-9_-]{90,}"),
    _rule("a Hugging Face token", ("hf_",), r"\bhf_[A-Za-z0-9]{34,}"),
    _rule("a Kaggle key", ('"key"',), r'"username"\s*:\s*"[^"]+"\s*,\s*"key"\s*:\s*"[0-9a-f]{32}"'),
    _rule("an npm token", ("npm_",), r"\bnpm_[A-Za-z0-9]{36,}"),
    _rule("an OpenAI key", ("T3BlbkFJ",), r"\bsk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    _rule("an OpenAI key", ("sk-",), r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"),
    _rule("an npm token", ("_authToken",), r":_authToken\s*=\s*[\"']?(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}={0,2}"),
    _rule("a package index token", ("pypi-",), r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    _rule("a SendGrid key", ("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{32,}"),
    _rule(
        "a Slack webhook",
        ("hooks.slack.com",),
        r"\bhooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}",
    ),
    _rule("a Shopify token", ("shp",), r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}"),
    _rule("a Slack token", ("xapp-",), r"\bxapp-[0-9A-Za-z-]{30,}"),
    _rule("a Slack token", ("xox",), r"\bxox[abeprs]-[0-9A-Za-z-]{20,}"),
    _rule("a Stripe key", ("k_live_",), r"\b[rs]k_live_[A-Za-z0-9]{24,}"),
    _rule("a Twilio key", ("SK",), r"\bSK[0-9a-f]{32}\b"),
    _rule("a signed web token", ("eyJ",), r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    _rule(
        "an Azure storage key",
        ("fs.azure.account.key",),
        r"fs\.azure\.account\.key[\w.-]{0,100}[\"']?\s{0,20}[=:,]?\s{0,20}[\"']?[A-Za-z0-9+/]{80,}={0,2}",
    ),
    # Between name and value: a file of properties, JSON, a call, or Hadoop's XML.
    _rule(
        "an S3 secret key",
        ("fs.s3a.",),
        r"\bfs\.s3a\.(?:[\w.-]{1,80}\.)?(?:secret\.key|session\.token)"
        r"(?:\s{0,20}</name>\s{0,80}<value>\s{0,20}|[\"']?\s{0,20}[=:,]?\s{0,20}[\"']?)"
        r"(?![A-Za-z0-9/+]{30}EXAMPLEKEY)[A-Za-z0-9/+]{40,}={0,2}",
    ),
    # A variable's reference (`$NAME`, `{name}`, `<name>`, `%s`) is none; digits before a slash are a port.
    _rule(
        "a password in an address",
        ("://",),
        rf"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"'<>{{}}$`\\]*:(?!{_PLACEHOLDERS}@|\$|/|\d+/|port/)"
        r"(?:[^\s@\"'<>{}$`%\\]|%[0-9A-Fa-f]{2}|\$(?![{(])){3,2000}@[A-Za-z0-9\[]",
    ),
    _rule(
        "a password in an address",
        ("jdbc:oracle:",),
        rf"\bjdbc:oracle:[a-z]+:[^\s/:@\"'<>{{}}$`\\]+/(?!{_PLACEHOLDERS}@)[^\s@\"'<>{{}}$`\\]{{3,}}@[A-Za-z0-9/(\[]",
    ),
    # With a digit in it, since manuals write words there; the token of a badge only counts who looks at it.
    _rule(
        "a password among an address's settings",
        (*_STATED, *_STATED_KEYS),
        rf"(?<!\.svg)[?&;]{_STATEMENT}(?!{_PLACEHOLDERS}(?:[\s&;\"'`]|$)|\(redacted)"
        r"(?=[^\s&;\"'<>{}$`\\]*[0-9])[^\s&;\"'<>{}$`\\]{6,}",
    ),
    # In braces, since the password holds what would end it; a name alone in them is a place for one.
    _rule(
        "a password among an address's settings",
        (*_STATED,),
        rf"[?&;]{_STATEMENT}\{{(?=[^{{}}\n]*[0-9])(?=[^{{}}\n]*[^\w{{}}.:!])[^{{}}\n]{{6,}}\}}",
    ),
    _rule(
        "a password among an address's settings",
        ("jdbc:mysql:",),
        rf"\bjdbc:mysql:[a-z+:]*//[^\s\"'`<>]{{0,200}}[(,](?i:password)=(?!{_PLACEHOLDERS}[\s,)])"
        r"(?=[^\s,)\"'<>{}$]*[0-9])[^\s,)\"'<>{}$]{6,}",
    ),
    # Of a driver's address nobody writes a word that is meant as one.
    _rule(
        "a password among an address's settings",
        ("jdbc:",),
        rf"\bjdbc:[a-z][^\s\"'`<>{{}}$]{{0,300}}[?&;](?i:password|passwd|pwd)="
        rf"(?!{_PLACEHOLDERS}(?:[\s&;\"'`)]|$)|\(redacted)[^\s&;\"'<>{{}}$`\\]{{6,}}",
    ),
    # The example of RFC 7617 opens nothing.
    _rule(
        "a header that authorizes",
        ("uthorization", "UTHORIZATION"),
        r"(?i:authorization)[\"']?\s*[:=,]\s*[\"']?(?i:bearer|basic|token)\s+(?!QWxhZGRpbjpvcGVu)"
        r"(?=[^\s\"']*[0-9])(?=[^\s\"']*[A-Za-z])[A-Za-z0-9._~+/-]{16,}={0,2}",
    ),
    # A user's name has rarely twenty characters with a digit among them; a token as a user always has.
    _rule(
        "a token in an address",
        ("://",),
        r"\bhttps?://(?=[A-Za-z_-]*[0-9])(?=[0-9_-]*[A-Za-z])[A-Za-z0-9_-]{20,}:?@[A-Za-z0-9\[]",
    ),
)


def find_secret(content: bytes) -> SecretFound | None:
    """Look for the first secret in a file.

    Args:
        content: The file's bytes, text or not.

    Returns:
        The first rule that matches (in the order of `RULES`) outside of lines that are `ALLOWED`, and the line, counted
        from 1; None if there is none.
    """
    text = as_ascii_compatible(content)
    for rule in RULES:
        if not any(hint in text for hint in rule.hints):
            continue
        for match in rule.pattern.finditer(text):
            if not is_allowed(text, match):
                return SecretFound(rule.name, text.count(b"\n", 0, match.start()) + 1)
    return None


def is_allowed(text: bytes, match: re.Match[bytes]) -> bool:
    """Whether a match stands on a line, or lines, that say it is none."""
    end = text.find(b"\n", match.end())
    return ALLOWED in text[text.rfind(b"\n", 0, match.start()) + 1 : end if end >= 0 else len(text)]


def as_ascii_compatible(content: bytes) -> bytes:
    """UTF-16, which some editors write, would hide every ASCII pattern behind zero bytes."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace").encode()
    return content
