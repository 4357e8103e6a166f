"""The data of a report's template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from embcheck.conformance.execution.judging.causes import Category
from embcheck.conformance.records.run import Run
from embcheck.reports.baselines import turned
from embcheck.reports.cautions import other_torch_lines
from embcheck.reports.curves import CurvePicture, curves
from embcheck.reports.departures import Departure, departures
from embcheck.reports.evidence import Evidence
from embcheck.reports.helped import Help, helped
from embcheck.reports.ledger import Ledger, ledger
from embcheck.reports.marks import Mark
from embcheck.reports.matrix import Chip, link, totals
from embcheck.reports.merge import BackendEntry, Merged, MergedResult, doubts_text
from embcheck.reports.page.accuracy import Accuracy, accuracy
from embcheck.reports.page.atlas import Atlas, atlas
from embcheck.reports.page.calibration import Calibration, calibration
from embcheck.reports.page.coverage import CoveragePage, coverage
from embcheck.reports.page.mutation import Mutation, mutation
from embcheck.reports.page.provisions import provision_text
from embcheck.reports.page.score_families import ScoreTable, score_families
from embcheck.reports.prices import Price, price_groups
from embcheck.reports.room import LARGE
from embcheck.reports.stages import Stages, tally
from embcheck.reports.tables import BackendScore, categories_text, score_table
from embcheck.reports.timings import Timings, timings
from embcheck.reports.units import plural, seconds_text, value_text
from embcheck.reports.untrusted import finite, one_line

DEPARTURES_SHOWN = 10
FALLBACK_LIMIT = 500


@dataclass(frozen=True)
class ReportVerdict:
    """The first sentence of a report, and its tone: `good`, `bad` or `unknown`."""

    tone: str
    sentence: str


@dataclass(frozen=True)
class BackendView:
    """A backend: library, version, device, and how it provides each operation."""

    id: str
    library: str
    version: str
    device: str
    provision: str
    """Which operations are the library's own, and which are composed, in a few words."""
    operations: tuple[tuple[str, str, str], ...]
    capabilities: str
    unavailable: str | None
    mixed: bool
    part: str
    """The selection of cases, if not the whole suite."""
    made_from: tuple[str, ...]
    """The backends that it is made from, back to the source."""
    settings: tuple[tuple[str, str], ...]
    """The adapter's settings that are not the library's defaults."""
    helped: tuple[Help, ...]
    """What the adapter does for its library."""


@dataclass(frozen=True)
class RunView:
    """One run: time, versions, machine, and whether it is complete."""

    purpose: str
    started: str
    partial: bool
    ending: str
    embcheck: str
    suite: str
    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Page:
    """All data of the template."""

    verdict: ReportVerdict
    partial: tuple[str, ...]
    other_torches: tuple[str, ...]
    """A line for each PyTorch version other than the contract's, with the backends that run it."""
    scores: tuple[BackendScore, ...]
    score_table: ScoreTable
    worst: tuple[tuple[Departure, str], ...]
    worst_left: int
    legend: tuple[Chip, ...]
    columns: tuple[BackendView, ...]
    large: bool
    """Whether links and folded texts come from the script's data only."""
    case_numbers: Mapping[str, int]
    backend_numbers: Mapping[str, int]
    backends: tuple[BackendView, ...]
    runs: tuple[RunView, ...]
    timings: Timings
    accuracy: Accuracy | None
    curves: tuple[CurvePicture, ...]
    prices: tuple[tuple[str, list[Price]], ...]
    ledger: Ledger
    atlas: Atlas
    coverage: CoveragePage | None
    mutation: Mutation | None
    calibration: Calibration | None
    fallback: tuple[tuple[MergedResult, str], ...]
    fallback_left: int

    @property
    def timed(self) -> bool:
        """Whether there is anything to show on the page of timings."""
        return bool(self.timings.groups or self.curves or self.prices)


def build_page(merged: Merged, evidence: Evidence) -> Page:
    """Gather what a report shows."""
    # From the cases, not the record's list of clauses: only a clause with a case can be linked to.
    clauses = {clause for case in merged.cases.values() for clause in case.clauses}
    scores = tuple(score_table(merged))
    worst, stages = departures(merged), Stages(merged)
    given = helped(merged)
    views = {
        name: _backend(entry, stages, merged.parts, given.get(name, ()))
        for name, entry in merged.backends.items()
    }
    departed = tuple(found for found in merged.findings if found.mark.departs)
    return Page(
        verdict=_verdict(merged, scores),
        partial=tuple(
            f"the {run.header.purpose} run of {run.header.started} is partial: {doubts_text(run)}"
            for run in merged.partial
        ),
        other_torches=tuple(
            other_torch_lines(info for entry in merged.backends.values() for info in entry.infos)
        ),
        scores=scores,
        score_table=score_families(scores, lambda name: views[name].library),
        worst=tuple(
            (group, link(behaviour=group.behaviour, backend=group.backend))
            for group in worst[:DEPARTURES_SHOWN]
        ),
        worst_left=max(0, len(worst) - DEPARTURES_SHOWN),
        legend=totals(merged),
        columns=tuple(views[name] for name in merged.columns),
        large=len(merged.findings) > LARGE,
        case_numbers={name: number for number, name in enumerate(merged.cases)},
        backend_numbers={name: number for number, name in enumerate(merged.columns)},
        backends=tuple(views.values()),
        runs=tuple(_run(run) for run in merged.runs),
        timings=timings(merged.measurements, turned(merged.runs)),
        accuracy=accuracy(
            merged.measurements, {name: view.library for name, view in views.items()}
        ),
        curves=curves(merged.measurements, merged.runs),
        prices=tuple(price_groups(merged.runs)),
        ledger=ledger(merged),
        atlas=atlas(merged),
        coverage=coverage(evidence.coverage, clauses) if evidence.coverage else None,
        mutation=mutation(evidence.mutation, clauses, merged.cases) if evidence.mutation else None,
        calibration=calibration(evidence.calibration) if evidence.calibration else None,
        # For readers without JavaScript, who get departures only.
        fallback=tuple((f, tally(stages, [f])) for f in departed[:FALLBACK_LIMIT]),
        fallback_left=max(0, len(departed) - FALLBACK_LIMIT),
    )


def _verdict(merged: Merged, scores: Iterable[BackendScore]) -> ReportVerdict:
    scores = list(scores)
    if not scores:
        timed = "Timings only: nothing here says whether the answers are right."
        return ReportVerdict("unknown", timed if merged.measurements else "No results.")
    departing = [score for score in scores if score.total.departures]
    if departing:
        count = f"{len(departing)} of {plural(len(scores), 'backend')}"
        verb = "departs" if len(departing) == 1 else "depart"
        departed = f"{count} {verb} from the contract: {_how(scores)}"
        return ReportVerdict("bad", f"{departed}; {_explained(scores)}.")
    unclear = [score.backend for score in scores if not _conforms(score)]
    parts = any(score.backend in merged.parts for score in scores)
    if unclear or merged.partial or parts:
        why = _why(scores) or ("a part of the suite was left out" if parts else "")
        said = why or "the run is partial, or nothing was scored"
        return ReportVerdict("unknown", f"No departure was found, but not all is known: {said}.")
    # A single backend is not called "all". Partial runs and selections returned above.
    who = "The backend conforms" if len(scores) == 1 else f"All {len(scores)} backends conform"
    return ReportVerdict("good", f"{who} to the contract.")


def _explained(scores: list[BackendScore]) -> str:
    known = sum(score.known for score in scores)
    total = sum(score.total.departures for score in scores)
    if not known:
        return "none of them is known"
    counts = sum((Counter(score.categories) for score in scores), Counter[str]())
    whose = categories_text({str(name): counts[name] for name in Category if counts[name]})
    said = "all" if known == total else f"{known:,}"
    return f"{said} are known and explained" + (f": {whose}" if whose else "")


def _conforms(score: BackendScore) -> bool:
    doubtful = (Mark.ERRORED, Mark.STALE, Mark.NOT_RUN)
    # No departures are not enough: a stale or missing result may hide one.
    return score.total.passed > 0 and not any(score.total[mark] for mark in doubtful)


def _how(scores: list[BackendScore]) -> str:
    words = {
        Mark.SILENT: ("silent failure", ""),
        Mark.LOUD: ("loud failure", ""),
        Mark.CRASHED: ("crash", "crashes"),
        Mark.TIMED_OUT: ("time-out", ""),
    }
    counts = {mark: sum(score.total[mark] for score in scores) for mark in words}
    return ", ".join(plural(count, *words[mark]) for mark, count in counts.items() if count)


def _why(scores: list[BackendScore]) -> str:
    words = {
        Mark.ERRORED: "errored",
        Mark.STALE: "stale deviations",
        Mark.NOT_RUN: "not run",
    }
    counts = {mark: sum(score.total[mark] for score in scores) for mark in words}
    said = [f"{count:,} {words[mark]}" for mark, count in counts.items() if count]
    return ", ".join(said)


def _backend(
    entry: BackendEntry, stages: Stages, parts: Mapping[str, str], given: tuple[Help, ...]
) -> BackendView:
    latest = entry.latest
    operations = latest.get("operations")
    version = entry.distinct("version")
    return BackendView(
        entry.id,
        entry.distinct("library"),
        version,
        entry.distinct("device"),
        provision_text(entry),
        tuple(_operation(name, how) for name, how in operations.items())
        if isinstance(operations, Mapping)
        else (),
        ", ".join(map(str, latest.get("capabilities") or ())),
        entry.unavailable,
        # `distinct` joins several versions by commas: results of both stand in one column.
        ", " in version,
        parts.get(entry.id, ""),
        tuple(stage.name for stage in stages.chain(entry.id).stages[1:]),
        _settings(latest.get("settings")),
        given,
    )


def _settings(told: Any) -> tuple[tuple[str, str], ...]:
    """Return names and values as given; nothing for a value that is not a mapping."""
    if not isinstance(told, Mapping):
        return ()
    return tuple((one_line(str(name), 80), one_line(str(v), 200)) for name, v in told.items())


def _operation(name: str, how: Any) -> tuple[str, str, str]:
    if not isinstance(how, Mapping):
        return str(name), str(how), ""
    return str(name), str(how.get("provision", "")), str(how.get("spelling", ""))


def _run(run: Run) -> RunView:
    header, footer = run.header, run.footer
    ending = "did not end"
    if footer is not None:
        took = seconds_text(finite(footer.seconds))
        ending = f"{footer.finished}, after {took}, exit code {footer.exit_code}"
    return RunView(
        header.purpose,
        header.started,
        run.partial,
        ending,
        header.embcheck,
        header.suite,
        _facts(header.environment),
        _facts(header.settings),
    )


def _facts(facts: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(facts, Mapping):
        return ()
    return tuple(
        (str(key).replace("_", " "), one_line(value_text(value), 300))
        for key, value in facts.items()
        # 0 and False are facts.
        if value not in (None, "")
    )
