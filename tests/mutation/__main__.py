"""`python -m mutation`: run the suite on every mutant; exit 1 unless all are killed."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from embcheck.backends.numpy_reference import NumpyReference
from embcheck.conformance.suite.load import shipped_clauses
from mutation.catalogue import BadMutant, Mutant, load_mutants
from mutation.isolation import judge_apart
from mutation.judging import Seen, judge, suite_cases
from mutation.patching import diff, patch, reference_sources
from mutation.report import show, write_json
from mutation.scoring import Result, Status, differing, score, untried

UNCHANGED = "unchanged"


def run(mutants: list[Mutant], jobs: int) -> list[Result]:
    """Judge every mutant, and an unchanged copy of the reference, which must kill nothing."""
    cases, reference, sources = suite_cases(), NumpyReference(), reference_sources()
    order = [case.id for case in cases]
    versions = {mutant.id: patch(sources, mutant) for mutant in mutants}
    correct: dict[str, Seen] = dict(judge(cases, reference, reference))
    all_versions = [(UNCHANGED, sources), *versions.items()]
    seen = dict(
        judge_apart(all_versions, lambda backend: judge(cases, backend, reference), order, jobs)
    )
    if changed := differing(cases, correct, seen[UNCHANGED]):
        raise BadMutant(f"an unchanged copy differs in {changed[0].id}: the run proves nothing")
    return [
        score(
            mutant, diff(sources, versions[mutant.id]), differing(cases, correct, seen[mutant.id])
        )
        for mutant in mutants
    ]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/mutation"))
@click.option("--only", multiple=True, metavar="NAME", help="Only this theme or mutant.")
@click.option("--jobs", default=2, show_default=True, help="How many mutants run at a time.")
def main(out: Path, only: tuple[str, ...], jobs: int) -> None:
    """Run the suite on every wrong implementation in tests/mutants."""
    console = Console(width=80)
    clauses = shipped_clauses()
    mutants = load_mutants(clauses)
    chosen = [m for m in mutants if not only or {m.theme, m.id} & set(only)]
    results = run(chosen, jobs)
    show(console, results, untried(clauses.values(), mutants))
    write_json(out / "mutation.json", results, None)
    sys.exit(any(result.status is not Status.KILLED for result in results) or not results)


if __name__ == "__main__":
    main()
