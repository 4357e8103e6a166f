"""Sizes and pairs of options on the coverage page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReachedSize:
    """The largest size of a look on an axis, and how many thresholds are crossed."""

    largest: int
    crossed: int
    left_out: int
    missing: tuple[int, ...]


@dataclass(frozen=True)
class LookRow:
    """One kind of answer, with a cell for each axis; None for an axis that it does not have."""

    name: str
    cells: tuple[ReachedSize | None, ...]


@dataclass(frozen=True)
class OperationReach:
    """The number of pairs of options' values of an operation, and which are not exercised."""

    name: str
    exercised: int
    wanted: int
    left_out: int
    impossible: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ReachTables:
    """Both tables, and lists of what is left out for a reason or missing."""

    thresholds: int
    axes: tuple[str, ...]
    looks: tuple[LookRow, ...]
    operations: tuple[OperationReach, ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]


def reach(data: Mapping[str, Any]) -> ReachTables:
    """Arrange the sizes and the pairs of a coverage file."""
    sizes, pairs = data["sizes"], data["pairs"]
    axes = tuple(dict.fromkeys(row["axis"] for row in sizes["crossings"]))
    return ReachTables(
        thresholds=len(sizes["thresholds"]),
        axes=axes,
        looks=tuple(_looks(sizes["crossings"], axes)),
        operations=tuple(map(_operation, pairs["operations"])),
        lists=tuple((title, rows) for title, rows in _lists(sizes, pairs) if rows),
    )


def _looks(crossings: Iterable[Mapping[str, Any]], axes: Iterable[str]) -> Iterator[LookRow]:
    by_look: dict[str, dict[str, ReachedSize]] = {}
    for row in crossings:
        cell = ReachedSize(
            row["largest"], len(row["crossed"]), len(row["left_out"]), tuple(row["missing"])
        )
        by_look.setdefault(row["look"], {})[row["axis"]] = cell
    for name, cells in by_look.items():
        yield LookRow(name, tuple(cells.get(axis) for axis in axes))


def _operation(row: Mapping[str, Any]) -> OperationReach:
    return OperationReach(
        row["operation"],
        row["exercised"],
        row["wanted"],
        len(row["left_out"]),
        row["impossible"],
        tuple(" x ".join(pair) for pair in row["missing"]),
    )


def _lists(
    sizes: Mapping[str, Any], pairs: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the lists below the tables, with a title each."""
    crossings, extents, operations = sizes["crossings"], sizes["extents"], pairs["operations"]
    yield (
        "axes with thresholds that no case crosses",
        tuple(
            f"{_place(row)}: {', '.join(map(str, row['missing']))}"
            for row in crossings
            if row["missing"]
        ),
    )
    yield (
        "dtypes that no case asks at the size wanted",
        tuple(
            f"{row['dtype']}, {_place(row)}: {row['largest']} of {row['least']}"
            for row in extents
            if row["largest"] < row["least"] and row["reason"] is None
        ),
    )
    for title, key in (
        ("pairs of options that no case exercises", "missing"),
        ("pairs said to be impossible that a case exercises", "contradicted"),
    ):
        yield (
            title,
            tuple(f"{row['operation']}: {' x '.join(p)}" for row in operations for p in row[key]),
        )
    yield (
        "thresholds that are left out for a reason",
        tuple(
            f"{_place(row)}: {one['size']} ({one['reason']})"
            for row in crossings
            for one in row["left_out"]
        ),
    )
    yield (
        "pairs of options that are left out for a reason",
        tuple(
            f"{row['operation']}: {' x '.join(one['pair'])} ({one['reason']})"
            for row in operations
            for one in row["left_out"]
        ),
    )
    yield "reasons that hold for nothing", (*sizes["idle_reasons"], *pairs["idle_reasons"])


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['look']}, {row['axis']}"
