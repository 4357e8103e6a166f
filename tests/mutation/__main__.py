"""`python -m mutation`: run the suite on every mutant; exit 1 unless all are killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console

from embcheck.backends.numpy_reference import NumpyReference
from embcheck.conformance.contract.backend import Backend
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.model import Case
from mutation.catalogue import BadMutant, Mutant, load_mutants
from mutation.isolation import judge_apart
from mutation.judging import Seen, judge, suite_cases
from mutation.patching import diff, patch, reference_sources
from mutation.report import show, show_generated, write_json
from mutation.scoring import Result, Status, differing, goes_otherwise, score, untried
from mutation.survivors import GeneratedScore, load_settled, settle

TOOL = "cosmic-ray"
UNCHANGED = "unchanged"


class Suite:
    """The shipped cases, and what the correct implementation makes of them."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases
        self.order = [case.id for case in self.cases]
        self._reference = NumpyReference()
        self.correct: dict[str, Seen] = dict(self.judge(self._reference))

    def judge(self, backend: Backend) -> Iterator[tuple[str, Seen]]:
        """Run all cases."""
        return judge(self.cases, backend, self._reference)

    def judge_until_killed(self, backend: Backend) -> Iterator[tuple[str, Seen]]:
        """Run cases up to the first that goes otherwise than on the correct implementation."""
        for case, seen in self.judge(backend):
            yield case, seen
            if goes_otherwise(self.correct[case], seen):
                return

    def differing(self, seen: dict[str, Seen]) -> list[Case]:
        """List the cases that go otherwise than on the correct implementation."""
        return differing(self.cases, self.correct, seen)


def run(suite: Suite, mutants: list[Mutant], jobs: int) -> list[Result]:
    """Judge every mutant, and an unchanged copy of the reference, which must kill nothing."""
    sources = reference_sources()
    versions = {mutant.id: patch(sources, mutant) for mutant in mutants}
    all_versions = [(UNCHANGED, sources), *versions.items()]
    seen = dict(judge_apart(all_versions, suite.judge, suite.order, jobs))
    if changed := suite.differing(seen[UNCHANGED]):
        raise BadMutant(f"an unchanged copy differs in {changed[0].id}: the run proves nothing")
    return [
        score(mutant, diff(sources, versions[mutant.id]), suite.differing(seen[mutant.id]))
        for mutant in mutants
    ]


def run_generated(suite: Suite, jobs: int) -> GeneratedScore:
    """Judge the mutants that cosmic-ray makes."""
    from mutation.generated import generate  # noqa: PLC0415  (the tool is needed here only)

    mutants = {mutant.id: mutant for mutant in generate(reference_sources())}
    versions = [(mutant.id, mutant.sources) for mutant in mutants.values()]
    seen = judge_apart(versions, suite.judge_until_killed, suite.order, jobs)
    results = [(mutants[name].diff, bool(suite.differing(cases))) for name, cases in seen]
    return settle(f"{TOOL} {version(TOOL)}", results, load_settled())


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/mutation"))
@click.option("--only", multiple=True, metavar="NAME", help="Only this theme or mutant.")
@click.option("--generated", is_flag=True, help=f"Try the mutants of {TOOL} as well.")
@click.option("--jobs", default=2, show_default=True, help="How many mutants run at a time.")
def main(out: Path, only: tuple[str, ...], generated: bool, jobs: int) -> None:
    """Run the suite on every wrong implementation in tests/mutants."""
    console = Console(width=80)
    clauses, suite = shipped_clauses(), Suite(suite_cases())
    mutants = load_mutants(clauses)
    chosen = [m for m in mutants if not only or {m.theme, m.id} & set(only)]
    results = run(suite, chosen, jobs)
    show(console, results, untried(clauses.values(), mutants))
    made = run_generated(suite, jobs) if generated else None
    if made:
        show_generated(console, made)
    write_json(out / "mutation.json", results, made)
    survives = any(result.status is not Status.KILLED for result in results)
    sys.exit(survives or not results or bool(made and made.complaints))


if __name__ == "__main__":
    main()
