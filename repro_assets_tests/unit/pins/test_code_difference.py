"""What differs between two capsules."""

from __future__ import annotations

import pytest

from repro_assets.pins.capsule import Entry
from repro_assets.pins.code_difference import MOST_LINES, code_difference

SAME = Entry("same.py", b"x = 1\n")


def test_equal_capsules_have_no_difference_in_any_order() -> None:
    other = Entry("b.py", b"")

    assert code_difference([SAME, other], [other, SAME]).as_document() == {}


def test_files_are_added_removed_and_changed() -> None:
    before = [SAME, Entry("old.py", b"1\n"), Entry("steps.py", b"a\nb\nc\n")]
    after = [SAME, Entry("new.py", b"2\n"), Entry("steps.py", b"a\nB\nc\n")]

    found = code_difference(before, after)

    assert (found.added, found.removed, found.changed) == (("new.py",), ("old.py",), ("steps.py",))
    assert found.patch == (
        "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+2\n"
        "--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
        "--- a/steps.py\n+++ b/steps.py\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(Entry("f", b"\0"), Entry("f", b"\0\1"), "Binary files a/f and b/f differ", id="a binary file"),
        pytest.param(Entry("f", b"\xff"), Entry("f", b"a\n"), "Binary files", id="another character set"),
        pytest.param(Entry("f", b"a"), Entry("f", b"b\n"), "No newline at end of file", id="no line feed at the end"),
        pytest.param(Entry("f", b"a\n"), Entry("f", b"a\n", executable=True), "f: 644 -> 755", id="mode"),
        pytest.param(Entry("f", b"", link="a"), Entry("f", b"", link="b"), "+link to b", id="a link's target"),
        pytest.param(Entry("f", b""), Entry("f", b"\n" * (MOST_LINES + 1)), "more than", id="a very long file"),
        pytest.param(Entry("f", "a\u2028b\n".encode()), Entry("f", b"c\n"), "-a\u2028b\n", id="a separator in a line"),
    ],
)
def test_every_kind_of_change_is_said(before: Entry, after: Entry, said: str) -> None:
    found = code_difference([before], [after])

    assert found.changed == ("f",)
    assert said in found.patch


def test_a_name_that_can_t_be_printed_is_escaped() -> None:
    assert code_difference([], [Entry("a\nb", b"")]).added == ("'a\\nb'",)
