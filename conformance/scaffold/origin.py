"""Find out where a distribution was installed from, by its `direct_url.json` (PEP 610)."""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from packaging.version import Version

from embcheck.conformance.execution.discovery import known_backends

INDEX = "index"
_ARCHIVES = (".whl", ".tar.gz", ".zip")


class BadOrigin(Exception):
    """A place from which embcheck cannot be installed; the message says what to name instead."""


def requirement(where: str | None = None, extras: tuple[str, ...] = ()) -> str:
    """Return the requirement by which pip installs embcheck, with some of its extras.

    `where` is a path, an address or `index`. None means the place from which the running embcheck
    was installed. Raise BadOrigin.
    """
    name = f"embcheck[{','.join(extras)}]" if extras else "embcheck"
    address = _own_address() if where is None else _address(where)
    if address is not None:
        return f"{name} @ {address}"
    # From an index: any version that is compatible with this one.
    own = Version(version("embcheck"))
    return f"{name}>={own.public},<{next_version(own)}"


def is_local(required: str) -> bool:
    """Whether a requirement names a local path, which other machines do not have."""
    return "@ file:" in required


def home(required: str) -> str | None:
    """Return the web page of the repository that a requirement names; None if there is none."""
    address = required.partition("git+")[2].partition("#")[0]
    parts = urlsplit(address)
    if parts.scheme != "https":
        return None
    return f"https://{parts.netloc}{parts.path.partition('@')[0].removesuffix('.git')}"


def next_version(own: Version) -> str:
    """Return the first version that may be incompatible with this one."""
    return f"{own.major + 1}" if own.major else f"0.{own.minor + 1}"


def adapter_file(backend: str) -> Path | None:
    """Return a backend's adapter file in the folder that it was installed from; None if unknown."""
    point = known_backends().get(backend)
    told = _direct_url(point.dist) if point and point.dist else None
    if point is None or told is None or "dir_info" not in told:
        return None
    folder = Path(url2pathname(unquote(urlsplit(str(told["url"])).path)))
    below = Path(*point.module.split(".")).with_suffix(".py")
    # The two usual layouts of a project: the package at the top, or in `src`.
    found = (folder / source / below for source in ("", "src"))
    return next((path for path in found if path.is_file()), None)


def _own_address() -> str | None:
    """Return the address from which the running embcheck was installed; None for an index."""
    try:
        told = _direct_url(distribution("embcheck"))
    except PackageNotFoundError:
        return None
    if told is None:
        return None
    address = _without_password(str(told["url"]))
    vcs = told.get("vcs_info")
    # The commit, since a branch may have moved when CI installs it.
    if isinstance(vcs, dict):
        address = f"{vcs.get('vcs', 'git')}+{address}@{vcs.get('commit_id', 'HEAD')}"
    below = told.get("subdirectory")
    return f"{address}#subdirectory={below}" if below else address


def _direct_url(found: Distribution) -> dict[str, Any] | None:
    text = found.read_text("direct_url.json")
    told = json.loads(text) if text else None
    return told if isinstance(told, dict) and "url" in told else None


def _without_password(address: str) -> str:
    """Return an address without user and password, since it goes into files that are committed.

    The user `git`, of SSH, is kept.
    """
    parts = urlsplit(address)
    user, at, host = parts.netloc.rpartition("@")
    if not at or user == "git":
        return address
    return urlunsplit(parts._replace(netloc=host))


def _address(where: str) -> str | None:
    if where == INDEX:
        return None
    if re.match(r"[a-z+]+://", where):
        # pip would download a repository's web page, and complain that it is not an archive.
        if where.startswith(("https://", "http://")) and not where.endswith(_ARCHIVES):
            raise BadOrigin(f"'{where}' is no archive; for a repository write git+{where}")
        return where
    path = Path(where).resolve()
    if (path / "pyproject.toml").is_file() or (path.is_file() and path.name.endswith(_ARCHIVES)):
        return path.as_uri()
    raise BadOrigin(
        f"'{where}' holds no pyproject.toml and is no archive; name embcheck's folder, an address "
        f"such as git+https://HOST/embcheck@COMMIT, or {INDEX}"
    )
