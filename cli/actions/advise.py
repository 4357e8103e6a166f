"""What `embcheck advise` does; the command itself is in `cli/advise.py`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console

from embcheck.cli.actions.compat import data_of
from embcheck.conformance.exit_codes import ExitCode
from embcheck.reports.advice import Fit, gather
from embcheck.reports.advice import advise as advice_of
from embcheck.reports.advice_terminal import print_advice
from embcheck.reports.compat import CompatError, shipped


@dataclass(frozen=True)
class Request:
    """What is needed, of which backends, by which runs; `strict` rules out the unguarded."""

    needs: tuple[str, ...]
    profile: str | None
    dtype: str
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
        needs = gather(data, request.needs, request.profile, request.dtype)
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
        print_advice(data, needs, found, Console(highlight=False, markup=False))
    good = {Fit.FITS} if request.strict else {Fit.FITS, Fit.UNGUARDED}
    fits = [advice.fit in good for advice in found]
    is_good = all(fits) if request.backends else any(fits)
    sys.exit(ExitCode.CONFORMS if is_good else ExitCode.DEPARTS)
