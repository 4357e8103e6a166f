"""Show the score of the mutants, and write it to `mutation.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console

from mutation.scoring import Result, Status, by_clause
from mutation.survivors import GeneratedScore

FORMAT = 1
MANY_CLAUSES = 25
"""The number of other clauses above which a bug is reported as too broad for its own clause."""


def to_json(results: list[Result], generated: GeneratedScore | None) -> dict[str, Any]:
    """Describe the results as plain data."""
    return {
        "format": FORMAT,
        "killed": sum(result.status is Status.KILLED for result in results),
        "total": len(results),
        "mutants": [_describe(result) for result in results],
        "clauses": [
            {"clause": clause, "killed": killed, "total": total}
            for clause, (killed, total) in by_clause(results).items()
        ],
        "generated": generated.to_json() if generated else None,
    }


def _describe(result: Result) -> dict[str, Any]:
    elsewhere = {} if result.elsewhere is None else {"elsewhere": result.elsewhere}
    return {
        "id": result.mutant.id,
        "clause": ", ".join(result.mutant.clauses),
        "says": result.mutant.says,
        "file": f"backends/reference/{result.mutant.file}",
        "diff": result.diff,
        "status": str(result.status),
        "killed_by": list(result.killed_by),
        **elsewhere,
    }


def write_json(path: Path, results: list[Result], generated: GeneratedScore | None) -> None:
    """Write `mutation.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_json(results, generated), indent=1, ensure_ascii=False)
    path.write_text(text + "\n", "utf-8")


def show(console: Console, results: list[Result], untried: list[str]) -> None:
    """Print how many mutants of each clause are killed, and all that need attention."""
    rows = [f"{name} {k}/{n}" for name, (k, n) in by_clause(results).items()]
    console.print(Columns(rows, padding=(0, 3)))
    if untried:
        console.print(f"\nNo mutant breaks these {len(untried)} scored clauses:")
        console.print(Columns(untried, padding=(0, 3)))
    for result in results:
        if result.status is not Status.KILLED:
            _show_survivor(console, result)
    broad = [result for result in results if len(result.other_clauses) > MANY_CLAUSES]
    if broad:
        console.print(f"\nThese also fail cases of more than {MANY_CLAUSES} other clauses:")
        rows = [f"{result.mutant.id} {len(result.other_clauses)}" for result in broad]
        console.print(Columns(rows, padding=(0, 3)))
    killed = sum(result.status is Status.KILLED for result in results)
    console.print(f"\n{killed} of {len(results)} mutants are killed by a case of their own clause.")


def _show_survivor(console: Console, result: Result) -> None:
    mutant = result.mutant
    console.print(f"\n[red]{result.status}[/] {mutant.id}: {mutant.says}")
    console.print(f"  no case holds it to {', '.join(result.not_held_to)}")
    if result.other_clauses:
        console.print(f"  it fails cases of {', '.join(result.other_clauses)}")
    console.print(result.diff, markup=False, highlight=False)


def show_generated(console: Console, made: GeneratedScore) -> None:
    """Print the score of generated mutants, and the complaints about those not settled."""
    for complaint in made.complaints:
        console.print(f"\n{complaint}", markup=False, highlight=False)
    console.print(f"\n{made.killed} of {made.total} mutants by {made.tool} are killed.")
