"""What `embcheck advise` does; the command itself is in `cli/advise.py`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from embcheck.cli.faults import refuse
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.answers.advice import REFERENCE, Fit, candidates, gather
from embcheck.reports.answers.advice_terminal import print_answer
from embcheck.reports.answers.answer import Answer, answer
from embcheck.reports.compat import Compat, CompatError, Use, shipped

if TYPE_CHECKING:
    from embcheck.reports.answers.concern import Needs
    from embcheck.reports.answers.own_needs import Found
    from embcheck.reports.answers.speeds import Speeds

YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Own:
    """A user's own module, indices and offsets, as far as they are given."""

    module: str | None = None
    trace: Path | None = None
    offsets: Path | None = None

    def found(self, dtype: str | None) -> list[Found]:
        """Return what they need; raises CompatError."""
        if self.module is None and self.trace is None:
            return []
        from embcheck.reports.answers.own_needs import of_module, of_trace  # noqa: PLC0415  (NumPy)

        found = [of_module(self.module, dtype)] if self.module is not None else []
        if self.trace is None:
            return found
        # Two-dimensional indices are bags only if the module says so: an Embedding takes them too.
        is_lookup = any(not name.startswith("bag.") for one in found for name in one.features)
        in_bags = bool(found) and not is_lookup
        return [*found, of_trace(self.trace, self.offsets, in_bags=in_bags)]


@dataclass(frozen=True)
class Request:
    """What the user needs, and of which backends and runs; `strict` rules out unguarded ones."""

    needs: tuple[str, ...]
    profile: str | None
    own: Own
    dtype: str | None
    backends: tuple[str, ...]
    runs: tuple[Path, ...]
    workload: str | None
    run_now: bool
    out: Path | None
    strict: bool


def list_profiles() -> None:
    """Print the profiles, and what they need."""
    for name, use in shipped().profiles.items():
        click.echo(f"{name}: {use.says}\n  needs: {', '.join(use.needs)}")
        if use.refused:
            click.echo(f"  should be errors: {', '.join(use.refused)}")


def advise(request: Request, *, as_json: bool) -> None:
    """Show which backends have what is needed."""
    try:
        told = _answer(request)
    except (CompatError, OSError) as error:
        refuse("advise", error)
    if as_json:
        click.echo(json.dumps(told.plain(), indent=2))
    else:
        print_answer(told, Console(highlight=False, markup=False))
    good = {Fit.FITS} if request.strict else {Fit.FITS, Fit.UNGUARDED}
    # The reference fits by definition: it counts only if the user names it.
    fits = [
        row.advice.fit in good for row in told.rows if row.backend != REFERENCE or request.backends
    ]
    is_good = bool(fits) and (all(fits) if request.backends else any(fits))
    sys.exit(ExitCode.CONFORMS if is_good else ExitCode.DEPARTS)


def _answer(request: Request) -> Answer:
    """Answer a request; raises CompatError."""
    own = request.own.found(request.dtype)
    if request.run_now:
        from embcheck.cli.actions.advise_now import asked_now  # noqa: PLC0415  (imports the suite)

        # The needs are found first, by the shipped data: they decide which cases are run.
        needs = _needs(shipped(), request, own)
        with asked_now(needs, request.backends, request.out) as folder:
            data, speeds = _data([folder], request.workload)
            source = (
                f"the answers just now, kept in {folder}" if request.out else "answers just now"
            )
    else:
        data, speeds = _data(request.runs, request.workload)
        named = ", ".join(map(str, request.runs))
        source = f"the run in {named}" if data is not shipped() else "the data that embcheck ships"
    needs = _needs(data, request, own)
    # Raises for an unknown name; `answer` would leave it out.
    for name in request.backends:
        data.column(name)
    remarks = [remark for found in own for remark in found.remarks]
    chosen = request.backends or candidates(data, speeds)
    return answer(data, needs, chosen, source, speeds, remarks)


def _needs(data: Compat, request: Request, own: list[Found]) -> Needs:
    named = [*request.needs, *(name for found in own for name in found.features)]
    dtype = request.dtype or next((found.dtype for found in own if found.dtype), "float32")
    profile, use = request.profile, None
    if profile is not None and profile.endswith(YAML):
        use = _own_profile(Path(profile), data)
    needs = gather(data, named, profile, dtype, use)
    refused = [*needs.refused, *(name for found in own for name in found.refused)]
    return replace(needs, refused=tuple(dict.fromkeys(refused)))


def _own_profile(path: Path, data: Compat) -> Use:
    """Read a user's own profile; raises CompatError with the place of each mistake."""
    from embcheck.conformance.suite.features import load_profile  # noqa: PLC0415  (reads YAML)
    from embcheck.conformance.suite.problems import SpecError  # noqa: PLC0415

    try:
        found = load_profile(path, data.features)
    except SpecError as error:
        raise CompatError(str(error)) from None
    return Use(found.says, found.needs, found.refused)


def _data(
    runs: list[Path] | tuple[Path, ...], workload: str | None
) -> tuple[Compat, Speeds | None]:
    """Return the data on compatibility and the timings: of runs, or of what embcheck ships.

    Reading records, and the suite, takes seconds.
    """
    if not runs:
        if workload is not None:
            raise CompatError("--workload is one of a run with timings; name it by --run")
        return shipped(), None
    from embcheck.conformance.records.run import RecordError, read_runs  # noqa: PLC0415
    from embcheck.reports.answers.compat_made import compat_of  # noqa: PLC0415
    from embcheck.reports.answers.speeds import speeds  # noqa: PLC0415
    from embcheck.reports.merge import merge  # noqa: PLC0415

    try:
        merged = merge(run for folder in runs for run in read_runs(folder))
    except RecordError as error:
        raise CompatError(str(error)) from None
    # A run of only timings decides nothing, but ranks what the shipped data decides.
    data = compat_of(merged) if merged.findings else shipped()
    return data, speeds(merged.measurements, workload)
