"""The pinned UI Elements bundle: where it is served from, its integrity, and its compressed forms."""

import base64
import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import brotli

from widgetsvc.errors import ConfigurationError
from widgetsvc.permissions import Element

VERSION = "1.67.7"
FILE_NAME = "CronofyElements.js"
INTEGRITY = "sha384-riX9kzyup3p+xLgeKnn2eE2LfUGXYzFv7xLZ2QZoY/nSIP8ltfCoZUwgjwzhhs1y"
"""The published file of this version; anything else is not served."""

CDN_URL = f"https://elements.cronofy.com/js/CronofyElements.v{VERSION}.js"
"""Cronofy's own copy (UI Elements documentation, Installation)."""

STYLE_HASHES = (
    "'sha256-wQLLZDyNR/V483aAi0gCMepQAwFo0DV8mzEzFhf1+Dk='",
    "'sha256-mcZznuqvpVbIjzIrosYhWLG2AFBsxF7AUUwcfUxPtyA='",
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
)
"""The bundle's three style elements; it needs no other style source (CSP Level 3, hash-source)."""

HEIGHTS = {
    Element.AGENDA: 500,
    Element.AVAILABILITY_RULES: 480,
    Element.AVAILABILITY_VIEWER: 605,
    Element.CALENDAR_SYNC: 184,
    Element.DATE_TIME_PICKER: 870,
    Element.SLOT_PICKER: 420,
}
"""The pixels that each element usually takes on a wide page, as the loader reserves them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text in the encodings that it is sent in."""

    identity: bytes
    brotli: bytes
    gzip: bytes
    etag: str

    @classmethod
    def of(cls, content: bytes) -> "Encoded":
        """Compress as far as it goes; seconds for a megabyte, so once and not per request."""
        return cls(content, compress_brotli(content), compress_gzip(content), etag_of(content))


def etag_of(content: bytes) -> str:
    """A strong validator of a content, without quotes."""
    return hashlib.sha256(content).hexdigest()[:32]


def compress_brotli(content: bytes) -> bytes:
    """Brotli at its highest quality."""
    compressed: bytes = brotli.compress(content, mode=brotli.MODE_TEXT, quality=11)
    return compressed


def compress_gzip(content: bytes) -> bytes:
    """Gzip at its highest level, the same bytes at every time."""
    return gzip.compress(content, 9, mtime=0)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What pages load. `content` is None where it has not been installed and Cronofy's CDN serves it.

    The CDN's file is not known to be byte for byte the npm package's, so no integrity is claimed for it.
    """

    src: str
    integrity: str | None
    content: Encoded | None = None

    def as_document(self) -> dict[str, str | None]:
        """The `bundle` member of answers to pages."""
        return {"src": self.src, "integrity": self.integrity}


def load_bundle(folder: Path, cache: Path, public_url: str) -> Bundle:
    """Return the bundle from a folder; its compressed forms are kept in `cache`.

    Raises ConfigurationError for a file that is not the pinned one.
    """
    content = read_bundle(folder)
    if content is None:
        return Bundle(CDN_URL, None)
    encoded = Encoded(
        content,
        _kept(cache / f"{FILE_NAME}.{VERSION}.br", lambda: compress_brotli(content)),
        _kept(cache / f"{FILE_NAME}.{VERSION}.gz", lambda: compress_gzip(content)),
        etag_of(content),
    )
    return Bundle(f"{public_url}/elements/{VERSION}/{FILE_NAME}", INTEGRITY, encoded)


def read_bundle(folder: Path) -> bytes | None:
    """Return the bundle as it is in a folder, None where it is not there.

    Raises ConfigurationError for a file that is not the pinned one.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        return None
    content = file.read_bytes()
    found = f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
    if found != INTEGRITY:
        raise ConfigurationError(
            [f"{file} is not cronofy-elements {VERSION} ({found}); install it anew with `npm ci`"]
        )
    return content


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    if path.is_file():
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = make()
    # Written beside and moved into place: another process that starts now never reads half a file.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
    return content
