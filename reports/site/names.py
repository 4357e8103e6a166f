"""Where the pages of a site are: addresses that stay, whatever a backend is called."""

from __future__ import annotations

import re
from hashlib import sha256

LONGEST = 80
_PLAIN = re.compile(rf"[a-z0-9][a-z0-9_@.+-]{{0,{LONGEST - 1}}}")
_OTHER = re.compile(r"[^a-z0-9_@.+-]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""What Windows takes for a device, whatever follows the dot."""


def file_name(name: str) -> str:
    """Return the name of a file for a backend: its own one where that is plain, else a like one.

    The names come from records of strangers. Two names never share a file, also where
    a file system does not tell capitals apart: what is not plain ends with a digest.
    """
    if _PLAIN.fullmatch(name) and not _DEVICES.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    # Twenty characters less, for the digest and a file's ending.
    rest = _OTHER.sub("-", name.lower()).strip("-.")[: LONGEST - 20]
    return f"{rest or 'backend'}--{digest}"
