"""Workloads: what is timed, as the YAML files in `specs/workloads` state it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from embcheck.conformance.contract.call import Operation
from embcheck.conformance.near import did_you_mean
from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.load import suite_root
from embcheck.conformance.suite.problems import Problem, SpecError
from embcheck.conformance.suite.schema import problems_of
from embcheck.conformance.suite.source import Map, mark_of, read_yaml

Item = TypeVar("Item")

PROFILES = ("quick", "full", "gpu")


class UnknownWorkload(Exception):
    """No workload, or no curve, has the id."""

    def __init__(self, id_: str, known: Collection[str], what: str = "workload") -> None:
        hint = did_you_mean(id_, known, f"known {what}s: {', '.join(known)}")
        super().__init__(f"there is no {what} '{id_}'; {hint}")


@dataclass(frozen=True)
class Origin:
    """Where an array comes from: the seed of PCG64, or the name of a real array.

    Indices are drawn uniformly unless `zipf` gives an exponent, or `reuse` names a histogram. A
    table's values are multiples of 2 ** -`bits`; without `bits` they are as fine as the dtype.
    """

    seed: int | None = None
    real: str | None = None
    zipf: float | None = None
    reuse: str | None = None
    bits: int | None = None


class Given:
    """A user's arrays: the table, and the index arrays of each call that rotates.

    They are never copied. Their text is a digest of their bytes.
    """

    def __init__(self, table: np.ndarray, calls: tuple[Mapping[str, np.ndarray], ...]) -> None:
        self.table, self.calls = table, calls

    # `dataclasses.asdict`, by which workloads are hashed, would copy a table of gigabytes.
    def __deepcopy__(self, memo: dict[int, Any]) -> Given:
        return self

    def __str__(self) -> str:
        digest = hashlib.sha256(self.table.tobytes())
        for call in self.calls:
            for name in sorted(call):
                digest.update(call[name].tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Ragged:
    """Bags by offsets: a share of them empty, the others of 1 to `longest` indices."""

    empty: float
    longest: int


@dataclass(frozen=True)
class WorkloadProfile:
    """The sizes of a workload, the states and threads to time it in, and seconds for each cell.

    `rows` and `columns` are absent for a real table; a lookup has `indices`, bags have `bags` and
    either `bag_size` or `ragged`.
    """

    states: tuple[str, ...]
    threads: tuple[int | str, ...]
    seconds: float
    rows: int | None = None
    columns: int | None = None
    indices: int | None = None
    bags: int | None = None
    bag_size: int | None = None
    ragged: Ragged | None = None


@dataclass(frozen=True)
class Workload:
    """A table, an index trace and a call, in sizes for each profile, or given arrays."""

    id: str
    title: str
    stands_for: str
    operation: Operation
    observe: tuple[str, ...]
    dtype: str
    table: Origin
    trace: Origin
    profiles: Mapping[str, WorkloadProfile]
    options: Mapping[str, Any] = field(default_factory=dict)
    index_dtype: str = "int64"
    per_sample_weights: Origin | None = None
    given: Given | None = None


def workload_files() -> list[Path]:
    """List the workload files that embcheck ships."""
    return sorted((suite_root() / "workloads").glob("*.yaml"))


def load_workloads(files: Iterable[Path]) -> dict[str, Workload]:
    """Load workload files by id; raises SpecError with every mistake in any of them."""
    workloads: dict[str, Workload] = {}
    problems: list[Problem] = []
    for file in files:
        tree = read_yaml(file)
        found = problems_of(tree, str(file), "workloads")
        # Only a file that fits the schema surely has the keys that are read here.
        found = found or list(_inconsistencies(tree, str(file)))
        if not found and tree["id"] in workloads:
            what = f"the workload '{tree['id']}' stands twice"
            line, column = mark_of(tree, ["id"])
            found = [Problem(str(file), line, column, what, "choose another id")]
        problems += found
        if not found:
            workloads[tree["id"]] = _workload(tree)
    if problems:
        raise SpecError(problems)
    return workloads


def select_workloads(ids: Iterable[str]) -> list[Workload]:
    """Pick workloads by id, all if none is named; raises UnknownWorkload, or SpecError."""
    return pick(ids, load_workloads(workload_files()))


def pick(ids: Iterable[str], known: Mapping[str, Item], what: str = "workload") -> list[Item]:
    """Pick by id, each once, or all if no id is given; raises UnknownWorkload."""
    ids = list(dict.fromkeys(ids))
    for id_ in ids:
        if id_ not in known:
            raise UnknownWorkload(id_, known, what)
    return [known[id_] for id_ in ids or known]


def _workload(tree: Mapping[str, Any]) -> Workload:
    weights = tree.get("per_sample_weights")
    return Workload(
        id=tree["id"],
        title=tree["title"],
        stands_for=tree["stands_for"],
        operation=Operation(tree["operation"]),
        observe=tuple(tree["observe"]),
        dtype=tree["dtype"],
        table=Origin(**tree["table"]),
        trace=Origin(**tree["trace"]),
        profiles={name: _profile(sizes) for name, sizes in tree["profiles"].items()},
        options=dict(tree.get("options", {})),
        index_dtype=tree.get("index_dtype", "int64"),
        per_sample_weights=Origin(**weights) if weights else None,
    )


def _profile(sizes: Mapping[str, Any]) -> WorkloadProfile:
    values = {**sizes, "states": tuple(sizes["states"]), "threads": tuple(sizes["threads"])}
    if "ragged" in sizes:
        values["ragged"] = Ragged(**sizes["ragged"])
    return WorkloadProfile(**values)


def _inconsistencies(tree: Map, file: str) -> Iterator[Problem]:
    """Find what the schema cannot check: sizes that the operation lacks, unknown real data."""

    def problem(place: list[str], what: str, remedy: str) -> Problem:
        return Problem(file, *mark_of(tree, place), what, remedy)

    for key in ("table", "trace"):
        name = tree[key].get("real")
        if name is not None and name not in real_data.NAMES:
            known = ", ".join(real_data.NAMES)
            yield problem([key, "real"], f"no real array '{name}'", f"use one of: {known}")
    # A real trace is a text, which is cut into windows and has no bags.
    if "real" in tree["trace"] and Operation(tree["operation"]).is_bag:
        yield problem(["trace"], "bags need a seeded trace", "give a seed, or look up")
    if "per_sample_weights" in tree and not Operation(tree["operation"]).is_bag:
        yield problem(["per_sample_weights"], "a lookup has no per-sample weights", "remove them")
    for name, sizes in tree["profiles"].items():
        wanted = _wanted_sizes(tree, sizes)
        given = {*sizes} - {"states", "threads", "seconds"}
        for size in sorted(wanted - given):
            yield problem(["profiles", name], f"profiles.{name} lacks '{size}'", f"add '{size}'")
        for size in sorted(given - wanted):
            line, column = sizes.key_marks[size]
            what = f"profiles.{name}: '{size}' does not belong to this workload"
            yield Problem(file, line, column, what, "remove it")


def _wanted_sizes(tree: Map, sizes: Map) -> set[str]:
    table = set() if "real" in tree["table"] else {"rows", "columns"}
    if not Operation(tree["operation"]).is_bag:
        return table | {"indices"}
    # Either will do, so the one that is there is wanted.
    return table | {"bags", "ragged" if "ragged" in sizes else "bag_size"}
