"""Show advice in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embcheck.reports.advice import Advice, Fit, Needs, Remark, severity
from embcheck.reports.compat import Compat
from embcheck.reports.compat_terminal import says
from embcheck.reports.untrusted import one_line

SHOWN = 3
"""How many remarks on a backend are shown; the rest is counted."""
_HEADS: Mapping[Fit, str] = {
    Fit.FITS: "These have all of it:",
    Fit.UNGUARDED: "These have all of it, but do not refuse all of these mistakes:",
    Fit.UNKNOWN: "Of these, a part was not asked:",
    Fit.BLOCKED: "These are ruled out by:",
}


def print_advice(data: Compat, needs: Needs, found: Sequence[Advice], console: Console) -> None:
    """Print which backends have what is needed, and what is in the way of the others."""
    console.print(f"Needed, for {needs.dtype} tables: {', '.join(needs.features)}")
    if needs.refused:
        console.print(f"Should be errors: {', '.join(needs.refused)}")
    for fit, head in _HEADS.items():
        group = [advice for advice in found if advice.fit is fit]
        if group:
            console.print(f"\n{head}", style="bold")
            table = Table(box=None, show_header=False, padding=(0, 1, 0, 2), pad_edge=True)
            table.add_column(no_wrap=True)
            table.add_column()
            for advice in group:
                table.add_row(Text(one_line(advice.backend, 24)), _remarks(advice, data))
            console.print(table)
    console.print("\nWhy: embcheck compat BACKEND FEATURE", highlight=False)


def _remarks(advice: Advice, data: Compat) -> Text:
    column = data.column(advice.backend)
    if advice.fit is Fit.BLOCKED:
        return _listed(advice.blockers)
    if advice.fit is Fit.UNKNOWN:
        return Text(", ".join(remark.feature for remark in advice.unknown))
    limits = [remark for remark in advice.limits if not advice.unguarded]
    library = Text(one_line(f"{column.library} {column.version}", 40))
    told = [*sorted(advice.unguarded, key=lambda remark: severity(remark.found)), *limits]
    return library if not told else _listed(told)


def _listed(remarks: Sequence[Remark]) -> Text:
    lines = []
    for remark in remarks[:SHOWN]:
        found = remark.found
        how = f"{found.support}, {found.how}" if found.how else found.support
        said = f": {says(found)}" if found.says or found.apart else ""
        lines.append(f"{remark.feature} ({how}){said}")
    if len(remarks) > SHOWN:
        lines.append(f"and {len(remarks) - SHOWN} more")
    return Text("\n".join(lines))
