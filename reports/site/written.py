"""Write the files of a site into a folder: renew those that are the site's, touch no other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from embcheck.conformance.records.writer import write_whole

MANIFEST = ".embcheck-site.json"
"""Lists the files that sites wrote here. It is read for nothing but that."""


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
        """The files of earlier sites that this one has not, and which stay."""
        return sorted(name for name in self._ours - self.written if (self.path / name).is_file())

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their names below the folder, as `badges/jax-take.json`.

        Raises NotOurs, before anything is written, where another's file is there or a link leads
        out of the folder; OSError where one cannot be written.
        """
        for name in files:
            self._check(name)
        # Listed before they are there: a site that was interrupted can be made again.
        self.written |= {*files}
        listed = {"files": sorted(self._ours | self.written)}
        write_whole(self.path / MANIFEST, json.dumps(listed, indent=0) + "\n")
        for name, text in files.items():
            write_whole(self.path / name, text)

    def _check(self, name: str) -> None:
        file = self.path / name
        if (file.exists() or file.is_symlink()) and name not in self._ours | self.written:
            raise NotOurs(f"{file} was there before, and no site wrote it; choose another folder")
        # A folder that a link leads away from is a user's own: nothing is written there.
        if not file.parent.resolve().is_relative_to(self.path.resolve()):
            raise NotOurs(f"{file.parent} is a link that leads out of {self.path}; remove it")


def _listed(manifest: Path) -> frozenset[str]:
    try:
        files = json.loads(manifest.read_text("utf-8"))["files"]
        return frozenset(str(name) for name in files)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # What cannot be read lists nothing: then no file is ours, and none is replaced.
        return frozenset()
