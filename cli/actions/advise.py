"""What `embcheck advise` does; the command itself is in `cli/advise.py`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from embcheck.cli.actions.compat import data_of
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.advice import Fit, gather
from embcheck.reports.advice import advise as advice_of
from embcheck.reports.advice_terminal import print_advice
from embcheck.reports.compat import CompatError, shipped
from embcheck.reports.untrusted import one_line

if TYPE_CHECKING:
    from embcheck.reports.own_needs import Found


@dataclass(frozen=True)
class Own:
    """Somebody's own module, indices and offsets, as far as they are given."""

    module: str | None = None
    trace: Path | None = None
    offsets: Path | None = None

    def found(self) -> list[Found]:
        """Return what they need; raises CompatError."""
        if self.module is None and self.trace is None:
            return []
        from embcheck.reports.own_needs import of_module, of_trace  # noqa: PLC0415  (NumPy)

        found = [of_module(self.module)] if self.module is not None else []
        return found + ([of_trace(self.trace, self.offsets)] if self.trace is not None else [])


@dataclass(frozen=True)
class Request:
    """What is needed, of which backends, by which runs; `strict` rules out the unguarded."""

    needs: tuple[str, ...]
    profile: str | None
    own: Own
    dtype: str | None
    backends: tuple[str, ...]
    runs: tuple[Path, ...]
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
        data = data_of(request.runs)
        own = request.own.found()
        named = [*request.needs, *(name for found in own for name in found.features)]
        dtype = request.dtype or next((found.dtype for found in own if found.dtype), "float32")
        needs = gather(data, named, request.profile, dtype)
        for name in request.backends:
            data.column(name)
    except (CompatError, OSError) as error:
        click.echo(f"embcheck advise: {error}", err=True)
        sys.exit(ExitCode.USAGE)
    chosen = request.backends or tuple(data.backends)
    found = [advice for advice in advice_of(data, needs) if advice.backend in chosen]
    if as_json:
        told = {"needs": asdict(needs), "backends": [asdict(advice) for advice in found]}
        click.echo(json.dumps(told, indent=2))
    else:
        for remark in (remark for found in own for remark in found.remarks):
            click.echo(one_line(remark))
        print_advice(data, needs, found, Console(highlight=False, markup=False))
    good = {Fit.FITS} if request.strict else {Fit.FITS, Fit.UNGUARDED}
    fits = [advice.fit in good for advice in found]
    is_good = all(fits) if request.backends else any(fits)
    sys.exit(ExitCode.CONFORMS if is_good else ExitCode.DEPARTS)
