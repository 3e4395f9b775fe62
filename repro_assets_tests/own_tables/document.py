"""What docs/your-own-tables.md tells a person to do, read out of its text."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
OWN = Path(__file__).resolve().parent

TEXT = (PROJECT / "docs" / "your-own-tables.md").read_text(encoding="utf-8")
# Files to replace; ours stand below this folder under the same path.
REPLACED = re.findall(r"^\| `(repro_assets/[^`]+)` \|", TEXT, re.MULTILINE)
# Statements that create the raw tables, each ended by a semicolon.
(STATEMENTS,) = re.findall(r"^```sql\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^repro (\w+)", TEXT, re.MULTILINE)
KEYS = re.findall(r"`((?:[a-z_]+-v\d{6}(?:--)?)+)`", TEXT)
