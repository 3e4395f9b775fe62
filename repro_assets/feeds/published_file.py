"""The bytes of a published file: read, uncompressed within bounds, hashed.

What the bytes mean is the business of `csv_rows` and the parsers.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import MalformedFeed
from repro_assets.feeds.anomalies import AnomalyKind, refusal
from repro_assets.feeds.publication import Publication

LARGEST_BYTES = 2**26  # 20 times what JHU's file had come to after nine months
LARGEST_RATIO = 200

# A small file may well shrink 500 times (a table of zeros): the ratio says something only above this size.
_RATIO_FROM = 16 * 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LARGEST_MEMBERS = 2**16  # a file of nothing but empty members costs time and gives nothing
_CHUNK_IN = 2**14
_CHUNK_OUT = 2**20
_PADDING = re.compile(rb"\0*")


@dataclass(frozen=True)
class PublishedFile:
    """One published file as given.

    Attributes:
        publication: Where it comes from and its digests; part and anomalies are not known yet.
        content: The uncompressed bytes.
    """

    publication: Publication
    content: bytes


def read_file(path: Path) -> bytes:
    """Read a file that somebody named.

    Raises:
        MalformedFeed: There is no such file, it is no regular file, it can't be read or it is too large.
    """
    require_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedFeed("the file can't be read", where=path, stored=error.strerror) from error


def require_file(path: Path) -> None:
    """Refuse what can't be read as a published file, by its place alone.

    Raises:
        MalformedFeed: There is no such file, it is no regular file, it can't be looked at or it is too large.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MalformedFeed("no such file", where=path, expected="a published file", fix="Check the path") from error
    except (OSError, ValueError) as error:
        raise MalformedFeed("the file can't be read", where=path, stored=error) from error
    if not stat.S_ISREG(found.st_mode):
        raise MalformedFeed("not a regular file", where=path, expected="a published file")
    refuse_size(found.st_size, str(path))


def open_published(source: str, data: bytes, published: str | None) -> PublishedFile:
    """Uncompress and hash the bytes of one publication.

    Args:
        source: File name, or `PATH@COMMIT`; shown in every message.
        data: The bytes as given; gzip is recognized by its first two bytes.
        published: Publication time, if known.

    Raises:
        MalformedFeed: Empty, too large, damaged or truncated gzip, or a decompression bomb.
    """
    content = uncompress(data, source)
    publication = Publication(
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        content_sha256=hashlib.sha256(content).hexdigest(),
        published=published,
    )
    return PublishedFile(publication, content)


def uncompress(data: bytes, source: str) -> bytes:
    """The bytes of a `.csv` or of all members of a `.csv.gz`.

    Raises:
        MalformedFeed: See `open_published`.
    """
    refuse_size(len(data), source)
    if not data.startswith(_GZIP_MAGIC):
        if source.partition("@")[0].endswith(".gz") and data:
            what = "not a gzip file, in spite of its name"
            raise refusal(AnomalyKind.NOT_GZIP, what, source, None, stored=repr(data[:2]), expected="0x1f 0x8b")
        content = data
    else:
        content = _Gunzip(data, source).content()
    if not content:
        raise refusal(AnomalyKind.EMPTY_FILE, "the file is empty", source, 1, expected="a header and rows")
    return content


class _Gunzip:
    """All members of a gzip file, unpacked piece by piece within bounds.

    A refusal names the row that unpacking had come to.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source
        self._pieces: list[bytes] = []
        self._size = 0

    def content(self) -> bytes:
        """The unpacked bytes.

        Raises:
            AnomalyRefused: Truncated, damaged, or far larger unpacked than packed.
        """
        position = members = 0
        while position < len(self._data):
            position = self._member(position)
            members += 1
            if members > _LARGEST_MEMBERS:
                raise self._refusal(
                    AnomalyKind.GZIP_BOMB, "the gzip file has too many members", expected=_LARGEST_MEMBERS
                )
            # Padding with zero bytes after the last member is allowed by every gzip tool.
            padding = _PADDING.match(self._data, position)
            position = padding.end() if padding else position
        return b"".join(self._pieces)

    def _member(self, position: int) -> int:
        """Unpack the member that starts here; where it ends."""
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        while not member.eof:
            chunk = self._data[position : position + _CHUNK_IN]
            try:
                piece = member.decompress(chunk, _CHUNK_OUT)
            except zlib.error as error:
                raise self._refusal(
                    AnomalyKind.GZIP_DAMAGED, "the gzip file is damaged", stored=error, fix="Get the file again"
                ) from error
            # Where the member ended, what was not consumed of the chunk stands in both.
            position += len(chunk) - len(member.unused_data if member.eof else member.unconsumed_tail)
            if not chunk and not piece and not member.eof:
                raise self._refusal(
                    AnomalyKind.GZIP_TRUNCATED, "the gzip file ends too early", fix="Get the whole file again"
                )
            self._add(piece)
        return position

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        refuse_size(self._size, self._source)
        if self._size > max(_RATIO_FROM, LARGEST_RATIO * len(self._data)):
            raise self._refusal(
                AnomalyKind.GZIP_BOMB,
                "the gzip file unpacks to far more than it holds",
                stored=f"{len(self._data)} bytes packed, over {self._size} unpacked",
                expected=f"at most {LARGEST_RATIO} times as much",
            )

    def _refusal(
        self, kind: AnomalyKind, what: str, *, stored: object = None, expected: object = None, fix: str | None = None
    ) -> MalformedFeed:
        row = 1 + max(sum(piece.count(end) for piece in self._pieces) for end in (b"\n", b"\r"))
        return refusal(kind, what, self._source, row, stored=stored, expected=expected, fix=fix)


def refuse_size(size: int, source: str) -> None:
    """Refuse a file of so many bytes.

    Raises:
        AnomalyRefused: It is too large.
    """
    if size > LARGEST_BYTES:
        what = "the file is too large"
        raise refusal(AnomalyKind.TOO_LARGE, what, source, None, stored=f"over {LARGEST_BYTES} bytes")
