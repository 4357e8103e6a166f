"""File names for the pages of a site: stable, and safe for any name of a backend."""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 80
_PLAIN = re.compile(rf"[a-z0-9][a-z0-9_@.+-]{{0,{LONGEST - 1}}}")
_OTHER = re.compile(r"[^a-z0-9_@.+-]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows takes for devices, with any file ending."""


def file_name(name: str) -> str:
    """Return a file name for a backend: its own name if that is plain, else a similar one.

    The names come from records of strangers. A name that is not plain ends with a digest, so that
    two names never share a file, even if the file system ignores case.
    """
    if _PLAIN.fullmatch(name) and not _DEVICES.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    # Twenty characters less, for the digest and a file's ending.
    rest = _OTHER.sub("-", name.lower()).strip("-.")[: LONGEST - 20]
    return f"{rest or 'backend'}--{digest}"
