"""Write the files of a site into a folder: replace those of earlier sites, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from embcheck.conformance.records.writer import write_whole

MANIFEST = ".embcheck-site.json"
"""The list of the files that sites wrote here; it is read for nothing else."""


class NotOurs(Exception):
    """A file of the site would replace one that no site wrote; says which."""


class Folder:
    """A folder with a site; files are written below it and nowhere else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ours = _listed(path / MANIFEST)
        self.written: set[str] = set()

    @property
    def left(self) -> list[str]:
        """The files of earlier sites that this one does not have; they stay."""
        return sorted(name for name in self._ours - self.written if (self.path / name).is_file())

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their names below the folder, as `badges/jax-take.json`.

        Raises NotOurs, before anything is written, if a file is there that no site wrote, or if a
        link leads out of the folder. Raises OSError if a file cannot be written.
        """
        for name in files:
            self._check(name)
        # Listed before they are written, so that an interrupted site can be made again.
        self.written |= {*files}
        listed = {"files": sorted(self._ours | self.written)}
        write_whole(self.path / MANIFEST, json.dumps(listed, indent=0) + "\n")
        for name, text in files.items():
            write_whole(self.path / name, text)

    def _check(self, name: str) -> None:
        file = self.path / name
        if (file.exists() or file.is_symlink()) and name not in self._ours | self.written:
            raise NotOurs(f"{file} was there before, and no site wrote it; choose another folder")
        # A link may lead to a user's own folder: nothing is written there.
        if not file.parent.resolve().is_relative_to(self.path.resolve()):
            raise NotOurs(f"{file.parent} is a link that leads out of {self.path}; remove it")


def _listed(manifest: Path) -> frozenset[str]:
    try:
        files = json.loads(manifest.read_text("utf-8"))["files"]
        return frozenset(str(name) for name in files)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # Without a readable list, no file counts as ours, and none is replaced.
        return frozenset()
