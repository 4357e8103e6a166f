"""What `embcheck show` does; the command itself is in `cli/show.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.execution.address import BadAddress, parse_address
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.discovery import UnknownBackend
from embcheck.conformance.execution.judging.deviations import explain, load_deviations
from embcheck.conformance.execution.pool import REFERENCE
from embcheck.conformance.execution.run_case import CaseRunner
from embcheck.conformance.near import did_you_mean
from embcheck.conformance.records.describe import case_line, clause_line, described, result_line
from embcheck.conformance.records.lines import CaseLine, ClauseLine, ResultLine
from embcheck.conformance.records.run import RecordError, Run, read_runs
from embcheck.conformance.suite.case_names import named
from embcheck.conformance.suite.load import load_spec, spec_files
from embcheck.conformance.suite.model import Case
from embcheck.conformance.suite.problems import SpecError
from embcheck.reports.terminal.case import print_case, print_result

MOST = 5
"""The most cases that are shown; if there are more, their ids are listed."""
LISTED = 40

Result = tuple[ResultLine, str]
"""A result, and the library with its version."""


def show(
    name: str, backends: Sequence[str], folders: Sequence[Path], specs: Sequence[Path]
) -> None:
    """Print the cases that a name stands for, and their results."""
    console = Console(highlight=False)
    try:
        shown = _recorded(name, backends, folders) if folders else _asked(name, backends, specs)
        for number, (case, clauses, results) in enumerate(shown):
            console.print("\n" if number else "", end="")
            print_case(case, clauses, console)
            for result, library in results:
                print_result(result, library, console)
    except LookupError as error:
        refuse("show", error.args[0])  # `str` of a LookupError may be its `repr`.
    except (BadAddress, RecordError, SpecError, UnknownBackend) as error:
        refuse("show", error)


def _chosen(name: str, cases: Collection[str]) -> list[str]:
    found = sorted(named([name], cases))
    if len(found) > MOST:
        # Listed on stdout, so that one can be picked with a shell.
        click.echo("\n".join(found[:LISTED]))
        rest = f"; the first {LISTED} are listed" if len(found) > LISTED else ""
        refuse("show", f"'{name}' stands for {len(found):,} cases{rest}: name one")
    return found


def _asked(
    name: str, backends: Sequence[str], specs: Sequence[Path]
) -> Iterator[tuple[CaseLine, Mapping[str, ClauseLine], list[Result]]]:
    """Yield the cases that a name stands for, with the results of backends that are asked now."""
    files = [load_spec(path) for path in spec_files(specs)]
    cases = {case.id: (case, spec.behaviour) for spec in files for case in spec.cases}
    found = [cases[each] for each in _chosen(name, cases)]
    results = _results([case for case, _ in found], backends)
    for case, behaviour in found:
        clauses = {clause.id: clause_line(clause) for clause in case.clauses}
        yield case_line(case, behaviour), clauses, results[case.id]


def _results(cases: Sequence[Case], backends: Sequence[str]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {case.id: [] for case in cases}
    for backend in backends:
        address = parse_address(backend)
        # As in a run, the reference gets a process of its own, to give the right answers.
        worker, reference = WorkerClient(address), WorkerClient(REFERENCE)
        try:
            runner, info = CaseRunner(worker, reference), worker.info
            deviations = load_deviations(worker.name)
            for case in cases:
                ran = runner.run(case)
                verdict, known = explain(case.id, ran.verdict, info, deviations)
                line = result_line(case, address.label, described(ran), verdict, known)
                found[case.id].append((line, f"{info.library} {info.version}"))
        except (BackendUnavailable, BackendBroken) as problem:
            raise LookupError(f"{worker.name}: {problem}") from None
        finally:
            worker.close()
            reference.close()
    return found


def _recorded(
    name: str, backends: Sequence[str], folders: Sequence[Path]
) -> Iterator[tuple[CaseLine, Mapping[str, ClauseLine], list[Result]]]:
    """Yield the cases that a name stands for, with their results in records."""
    runs = [run for folder in folders for run in read_runs(folder)]
    known = {result.backend for run in runs for result in run.results}
    if unknown := set(backends) - known:
        name, *_ = sorted(unknown)
        hint = did_you_mean(name, known, f"there are: {', '.join(sorted(known))}")
        raise LookupError(f"no results of {name}; {hint}")
    for case in _chosen(name, {each for run in runs for each in run.cases}):
        having = [run for run in runs if case in run.cases]
        results = [
            (result, _library(run, result.backend))
            for run in having
            for result in run.results
            if result.case == case and (not backends or result.backend in backends)
        ]
        # The case as the latest run describes it, with the results of all runs.
        yield having[-1].cases[case], having[-1].clauses, results


def _library(run: Run, backend: str) -> str:
    told = next((each for each in run.header.backends if each.get("id") == backend), {})
    return f"{told.get('library', '?')} {told.get('version', '?')}"
