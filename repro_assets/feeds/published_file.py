"""The bytes of a published file: read, uncompressed within bounds, hashed.

What the bytes mean is the business of `csv_rows` and the parsers.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from repro_assets.errors import MalformedFeed
from repro_assets.feeds.publication import Publication

LARGEST_BYTES = 2**30
LARGEST_RATIO = 200

# A small file may well shrink 500 times (a table of zeros): the ratio says something only above this size.
_RATIO_FROM = 16 * 2**20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_CHUNK = 2**20


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
    if not path.exists():
        raise MalformedFeed("no such file", where=path, expected="a published file", fix="Check the path")
    if not path.is_file():
        raise MalformedFeed("not a regular file", where=path, expected="a published file")
    _refuse_size(path.stat().st_size, path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise MalformedFeed("the file can't be read", where=path, stored=error.strerror) from error


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
    _refuse_size(len(data), source)
    if not data.startswith(_GZIP_MAGIC):
        if source.partition("@")[0].endswith(".gz") and data:
            raise MalformedFeed("not a gzip file, in spite of its name", where=source, stored=repr(data[:2]))
        content = data
    else:
        content = _gunzip(data, source)
    if not content:
        raise MalformedFeed("the file is empty", where=f"{source}, row 1", expected="a header and rows")
    return content


def _gunzip(data: bytes, source: str) -> bytes:
    pieces: list[bytes] = []
    size, rest = 0, data
    while rest:
        member = zlib.decompressobj(wbits=_GZIP_WINDOW)
        try:
            while not member.eof:
                piece = member.decompress(rest, _CHUNK)
                rest = member.unconsumed_tail
                if not piece and not rest and not member.eof:
                    raise MalformedFeed("the gzip file ends too early", where=source, fix="Get the whole file again")
                pieces.append(piece)
                size += len(piece)
                _refuse_bomb(size, len(data), source)
        except zlib.error as error:
            raise MalformedFeed("the gzip file is damaged", where=source, stored=error) from error
        # Padding with zero bytes after the last member is allowed by every gzip tool.
        rest = member.unused_data.lstrip(b"\0")
    return b"".join(pieces)


def _refuse_bomb(size: int, compressed: int, source: str) -> None:
    _refuse_size(size, source)
    if size > max(_RATIO_FROM, LARGEST_RATIO * compressed):
        raise MalformedFeed(
            "the gzip file unpacks to far more than it holds",
            where=source,
            stored=f"{compressed} bytes packed, over {size} unpacked",
            expected=f"at most {LARGEST_RATIO} times as much",
        )


def _refuse_size(size: int, where: object) -> None:
    if size > LARGEST_BYTES:
        raise MalformedFeed("the file is too large", where=where, stored=f"over {LARGEST_BYTES} bytes")
