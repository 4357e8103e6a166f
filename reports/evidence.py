"""The files beside a run's results: coverage, mutation score, and error rates of timings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from embcheck.reports.untrusted import one_line

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

FORMAT: Final = 1
SIZE_LIMIT: Final = 32 * 2**20
"""Bytes; the shipped suite's files have about 1 % of that."""
REMEDIES: Final = {
    "coverage": "write it anew with `embcheck coverage --out DIR`, or remove it",
    "mutation": "write it anew with `nox -s mutation`, or remove it",
    "calibration": "write it anew with `nox -s bench-calibration`, or remove it",
}


class EvidenceError(Exception):
    """A file beside a run cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class Document:
    """A file that fits its schema, and the name of the folder that it comes from."""

    data: Mapping[str, Any]
    source: str


@dataclass(frozen=True)
class Evidence:
    """The newest of each kind of file; None if no folder has one."""

    coverage: Document | None = None
    mutation: Document | None = None
    calibration: Document | None = None


def read_evidence(paths: Iterable[Path]) -> Evidence:
    """Read the files beside the results of some runs; raises EvidenceError for a broken file."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    return Evidence(*(_newest(folders, kind) for kind in REMEDIES))


def _newest(folders: Iterable[Path], kind: str) -> Document | None:
    found = [file for folder in folders if (file := folder / f"{kind}.json").is_file()]
    if not found:
        return None
    # By the time of the file, because there is no date inside these files.
    newest = max(found, key=lambda file: file.stat().st_mtime_ns)
    return Document(_read(newest, kind), newest.resolve().parent.name)


def _read(file: Path, kind: str) -> Mapping[str, Any]:
    data = _parsed(file, kind)
    if not isinstance(data, dict):
        raise _broken(file, kind, "is not a JSON object")
    if isinstance(data.get("format"), int) and data["format"] > FORMAT:
        raise EvidenceError(f"{file} was written by a newer embcheck; upgrade to read it")
    # The fault nearest to the top explains most; others often follow from it.
    for fault in sorted(_validator(kind).iter_errors(data), key=lambda fault: len(fault.path)):
        place = "/".join(str(step) for step in fault.absolute_path) or "the file"
        raise _broken(file, kind, f"does not fit: {one_line(place)}: {one_line(fault.message)}")
    # What fits its schema may still add up to a share above 100 %.
    for complaint in _COMPLAINTS[kind](data):
        raise _broken(file, kind, f"contradicts itself: {complaint}")
    return data


def _parsed(file: Path, kind: str) -> Any:
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise _broken(file, kind, f"is larger than {SIZE_LIMIT // 2**20} MiB")
        return json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise _broken(file, kind, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _broken(file, kind, "is not JSON") from None


def _broken(file: Path, kind: str, what: str) -> EvidenceError:
    return EvidenceError(f"{file} {what}; {REMEDIES[kind]}")


@cache
def _validator(kind: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (0.2 s to import)

    schema = files("embcheck.reports").joinpath(f"{kind}.schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(schema))


def _coverage_complaints(data: Mapping[str, Any]) -> Iterable[str]:
    parts = [("all", data), *((part["object"], part) for part in data["objects"])]
    parts += [
        (f"{owner['object']}: {part['parameter']}", part)
        for owner in data["objects"]
        for part in owner["parameters"]
    ]
    for name, part in parts:
        if part["covered"] + part["non_normative"] > part["total"]:
            yield f"{one_line(name)} has fewer sentences than are covered or non-normative"


def _mutation_complaints(data: Mapping[str, Any]) -> Iterable[str]:
    killed = sum(mutant["status"] == "killed" for mutant in data["mutants"])
    if (killed, len(data["mutants"])) != (data["killed"], data["total"]):
        yield f"{killed} of {len(data['mutants'])} listed mutants are killed, not as stated"
    for part in (*data["clauses"], *filter(None, [data.get("generated")])):
        if part["killed"] > part["total"]:
            yield f"{one_line(part.get('clause', 'generated'))}: more are killed than there are"


def _calibration_complaints(data: Mapping[str, Any]) -> Iterable[str]:
    for method in data["methods"]:
        for cell in method["cells"]:
            if cell["slower"] + cell["faster"] + cell["same"] > cell["comparisons"]:
                yield f"{one_line(method['method'])} concludes more often than it compares"
    for target in data["targets"]:
        if target["count"] > target["of"]:
            yield f"{one_line(target['what'])}: more are counted than there are"


_COMPLAINTS: Final = {
    "coverage": _coverage_complaints,
    "mutation": _mutation_complaints,
    "calibration": _calibration_complaints,
}
