"""`python -m mutation`: run the suite on every mutant; exit 1 unless all are killed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import click
from rich.console import Console

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.model import Case
from mutation.catalogue import BadMutant, Mutant, load_mutants
from mutation.isolation import Trial, judge_apart
from mutation.judging import Make, Remembering, Seen, judge, suite_cases
from mutation.patching import Sources, diff, patch, reference_sources
from mutation.report import show, show_generated, write_json
from mutation.scoring import (
    Result,
    Status,
    decides,
    differing,
    goes_otherwise,
    not_held_to,
    score,
    untried,
)
from mutation.survivors import GeneratedScore, load_settled, settle

TOOL = "cosmic-ray"
UNCHANGED = "unchanged"


class Suite:
    """The shipped cases, and their outcomes on the correct implementation."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases
        self._reference = Remembering(NumpyReference())
        self.correct: dict[str, Seen] = dict(judge(cases, NumpyReference, self._reference))

    def whole(self, name: str, sources: Sources) -> Trial:
        """Return a trial that runs all cases on a version."""
        judges = partial(judge, self.cases, reference=self._reference)
        return Trial(name, sources, judges, [case.id for case in self.cases])

    def until_killed(self, name: str, sources: Sources) -> Trial:
        """Return a trial that stops after the first case that kills the version."""
        judges = partial(self._until_killed, self.cases)
        return Trial(name, sources, judges, [case.id for case in self.cases])

    def own_first(self, mutant: Mutant, sources: Sources, *, everywhere: bool) -> Trial:
        """Return a trial that runs the cases of a mutant's clauses first, then all others.

        Unless `everywhere`, it stops as soon as each of the mutant's clauses has a case that fails.
        Cases of one call come before those of several, which take 50 times as long. A mutant that
        keeps state from call to call (`adds`) starts afresh in each case.
        """
        own = set(mutant.clauses)
        cases = sorted(self.cases, key=lambda case: (not decides(case) & own, len(case.calls)))
        judges = partial(self._own_first, mutant, cases, everywhere)
        return Trial(mutant.id, sources, judges, [case.id for case in cases])

    def _until_killed(self, cases: list[Case], make: Make) -> Iterator[tuple[str, Seen]]:
        for case, seen in judge(cases, make, self._reference):
            yield case, seen
            if goes_otherwise(self.correct[case], seen):
                return

    def _own_first(
        self, mutant: Mutant, cases: list[Case], everywhere: bool, make: Make
    ) -> Iterator[tuple[str, Seen]]:
        all_seen: dict[str, Seen] = {}
        for case, seen in judge(cases, make, self._reference, apart=bool(mutant.adds)):
            all_seen[case] = seen
            yield case, seen
            tells = goes_otherwise(self.correct[case], seen)
            if tells and not everywhere and not not_held_to(mutant, self.differing(all_seen)):
                return

    def differing(self, seen: dict[str, Seen]) -> list[Case]:
        """List the cases whose outcome differs from that on the correct implementation."""
        return differing(self.cases, self.correct, seen)


def run(suite: Suite, mutants: list[Mutant], jobs: int, *, everywhere: bool) -> list[Result]:
    """Judge every mutant, and an unchanged copy of the reference, which no case may kill."""
    sources = reference_sources()
    versions = {mutant.id: patch(sources, mutant) for mutant in mutants}
    trials = (suite.own_first(m, versions[m.id], everywhere=everywhere) for m in mutants)
    unchanged = suite.whole(UNCHANGED, sources)
    seen = dict(judge_apart(chain([unchanged], trials), jobs))
    if changed := suite.differing(seen[UNCHANGED]):
        raise BadMutant(f"an unchanged copy differs in {changed[0].id}: the run proves nothing")
    return [
        score(
            mutant,
            diff(sources, versions[mutant.id]),
            suite.differing(seen[mutant.id]),
            is_whole=len(seen[mutant.id]) == len(suite.cases),
        )
        for mutant in mutants
    ]


def run_generated(suite: Suite, jobs: int) -> GeneratedScore:
    """Judge the mutants that cosmic-ray makes."""
    from mutation.generated import generate  # noqa: PLC0415  (the tool is needed here only)

    mutants = {mutant.id: mutant for mutant in generate(reference_sources())}
    trials = (suite.until_killed(name, mutant.sources) for name, mutant in mutants.items())
    seen = judge_apart(trials, jobs)
    results = [(mutants[name].diff, bool(suite.differing(cases))) for name, cases in seen]
    return settle(f"{TOOL} {version(TOOL)}", results, load_settled())


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/mutation"))
@click.option("--only", multiple=True, metavar="NAME", help="Only this theme or mutant.")
@click.option("--everywhere", is_flag=True, help="Run the cases of all clauses on every mutant.")
@click.option("--generated", is_flag=True, help=f"Try the mutants of {TOOL} as well.")
@click.option("--jobs", default=2, show_default=True, help="How many mutants run at a time.")
def main(out: Path, only: tuple[str, ...], everywhere: bool, generated: bool, jobs: int) -> None:
    """Run the suite on every wrong implementation in tests/mutants."""
    console = Console(width=80)
    clauses, suite = shipped_clauses(), Suite(suite_cases())
    mutants = load_mutants(clauses)
    chosen = [m for m in mutants if not only or {m.theme, m.id} & set(only)]
    results = run(suite, chosen, jobs, everywhere=everywhere)
    show(console, results, untried(clauses.values(), mutants))
    made = run_generated(suite, jobs) if generated else None
    if made:
        show_generated(console, made)
    write_json(out / "mutation.json", results, made)
    survives = any(result.status is not Status.KILLED for result in results)
    sys.exit(survives or not results or bool(made and made.complaints))


if __name__ == "__main__":
    main()
