"""Make a record of any size, by copying the cases and backends of a real one.

python tests/large_record.py out/compare/results.jsonl large/ --cases 5000 --backends 40

A copy has other numbers in its messages and observed values than its original, since the results
of a real suite of that size would not be equal either.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Lines = Iterable[Mapping[str, Any]]
_NUMBER = re.compile(r"\d+")


def grow(lines: Lines, cases: int, backends: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of one run with the given numbers of cases and backends.

    If one case has several results on a backend, the last counts. Backends with results of fewer
    than half of the cases are left out.
    """
    base = _Base(lines)
    names = base.copies(base.whole(), backends)
    ids = base.copies(list(base.cases), cases)
    infos = [_info(base.infos.get(name, {"id": name}), number) for name, number in names]
    counts = Counter(
        base.results[name][case]["outcome"]
        for case, _ in ids
        for name, _ in names
        if case in base.results[name]
    )
    yield {**base.header, "backends": infos, "planned": counts.total()}
    yield from base.clauses.values()
    for case, number in ids:
        yield {**base.cases[case], "case": _case_id(case, number)}
    for case, case_number in ids:
        for name, number in names:
            if (found := base.results[name].get(case)) is not None:
                yield _copy(found, case_number, number)
    yield {**base.footer, "counts": dict(counts)}


class _Base:
    """The lines of the original record, by type."""

    def __init__(self, lines: Lines) -> None:
        self.header: Mapping[str, Any] = {}
        self.footer: Mapping[str, Any] = {}
        self.infos: dict[str, Mapping[str, Any]] = {}
        self.clauses: dict[str, Mapping[str, Any]] = {}
        self.cases: dict[str, Mapping[str, Any]] = {}
        self.results: dict[str, dict[str, Mapping[str, Any]]] = {}
        for line in lines:
            self._add(line)

    def _add(self, line: Mapping[str, Any]) -> None:
        kind = line["type"]
        if kind == "run":
            self.header = self.header or line
            self.infos.update({info["id"]: info for info in line["backends"]})
        elif kind == "clause":
            self.clauses[line["id"]] = line
        elif kind == "case":
            self.cases[line["case"]] = line
        elif kind == "result":
            self.results.setdefault(line["backend"], {})[line["case"]] = line
        elif kind == "end":
            self.footer = line

    def whole(self) -> list[str]:
        """Return the backends that have results of at least half of the cases."""
        return [name for name, found in self.results.items() if 2 * len(found) >= len(self.cases)]

    @staticmethod
    def copies(names: list[str], count: int) -> list[tuple[str, int]]:
        """Return `count` pairs of a name and the number of its copy; 0 is the original."""
        return [(names[place % len(names)], place // len(names)) for place in range(count)]


def _case_id(case: str, number: int) -> str:
    return f"{case}-{number + 1}" if number else case


def _info(info: Mapping[str, Any], number: int) -> dict[str, Any]:
    renamed = {key: f"{info[key]}-{number + 1}" for key in ("id", "adapter") if info.get(key)}
    return {**info, **(renamed if number else {})}


def _copy(found: Mapping[str, Any], case_number: int, number: int) -> dict[str, Any]:
    shift = case_number * 100 + number
    backend = f"{found['backend']}-{number + 1}" if number else found["backend"]
    made = {**found, "case": _case_id(found["case"], case_number), "backend": backend}
    made["seconds"] = found["seconds"] * (1 + shift / 97)
    if shift:
        made["message"] = _NUMBER.sub(lambda some: str(int(some[0]) + shift), found["message"])
        made["observed"] = _shifted(found.get("observed") or {}, shift)
    return made


def _shifted(value: Any, shift: int) -> Any:
    """Add `shift` to every float of the arrays; keep dtypes and shapes."""
    if isinstance(value, dict):
        return {
            key: part if key in {"dtype", "shape"} else _shifted(part, shift)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_shifted(part, shift) for part in value]
    return value + shift if isinstance(value, float) else value


def write(lines: Lines, folder: Path) -> Path:
    """Write lines to `results.jsonl` in a folder, which is made if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


def main() -> None:
    """Read a record that a run wrote, and write a larger one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("record", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--backends", type=int, default=40)
    asked = parser.parse_args()
    with asked.record.open(encoding="utf-8") as file:
        print(write(grow(map(json.loads, file), asked.cases, asked.backends), asked.out))


if __name__ == "__main__":
    main()
