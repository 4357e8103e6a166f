"""A page for each backend, in Markdown, and the table of all pages.

The table is made from the pages in the folder, so that backends that need different environments
can write their pages one at a time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from embcheck.conformance.contract.backend import Capability
from embcheck.conformance.contract.call import Operation
from embcheck.conformance.execution.judging.causes import Category
from embcheck.conformance.execution.profile import BackendProfile, ExplainedCases
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.helped import Help
from embcheck.reports.tables import categories_text
from embcheck.reports.units import plural

INDEX: Final = "README.md"
_HEAD: Final = re.compile(r"<!-- (\{.*\}) -->")


def write_pages(
    profiles: Iterable[BackendProfile],
    folder: Path,
    helped: Mapping[str, tuple[Help, ...]] = MappingProxyType({}),
) -> list[Path]:
    """Write a page for each backend, and the index of all pages in the folder; return the paths.

    `helped` is what adapters did for their library in a run of the suite.
    """
    paths = []
    for profile in profiles:
        name = profile.info["id"]
        paths.append(folder / page_name(name))
        write_whole(paths[-1], page(profile, helped.get(name, ())))
    paths.append(folder / INDEX)
    write_whole(paths[-1], index(folder))
    return paths


def page_name(backend: str) -> str:
    """Return the file name of a backend's page."""
    return f"{backend}.md"


def page(profile: BackendProfile, helped: tuple[Help, ...] = ()) -> str:
    """Return a backend's page, without versions, which depend on the environment."""
    # The gate of a backend compares the page in the repository with a new one.
    info = profile.info
    declared = [str(name) for name in Capability if name in info["capabilities"]]
    text: str = _template("backend.md.jinja").render(
        head=json.dumps(_row(profile)),
        info=info,
        words=profile.words,
        absent=_absent(info),
        schemes=info.get("schemes", ()),
        declared=declared,
        undeclared=[str(name) for name in Capability if name not in declared],
        groups=_groups(profile),
        helped=helped,
    )
    return text


def _absent(info: Mapping[str, Any]) -> list[str]:
    """List the operations that a backend lacks; quantised ones only if it has some of them."""
    return [
        str(name)
        for name in Operation
        # A backend without any quantised tables needs no list of their operations.
        if name not in info["operations"] and (info.get("schemes") or not name.is_quantized)
    ]


def index(folder: Path) -> str:
    """Return the table of all pages in a folder."""
    found = (_HEAD.match(path.read_text("utf-8")) for path in sorted(folder.glob("*.md")))
    rows = [json.loads(head[1]) for head in found if head is not None]
    text: str = _template("backends.md.jinja").render(rows=rows)
    return text


def _row(profile: BackendProfile) -> dict[str, Any]:
    """Return a backend's row of the table, which is in the first line of its page."""
    info = profile.info
    counts = _cases_by_category(profile)
    whose = f" ({categories_text(counts)})" if counts else ""
    named = frozenset[str]().union(*(explained.cases for explained in profile.deviations))
    more = len(named) - counts.total()
    whose += f", {more} more on some processors" if more else ""
    reasons = {explained.deviation.reason for explained in profile.deviations if explained.cases}
    return {
        "backend": info["id"],
        "library": info["library"],
        "device": info["device"],
        "operations": _operations(info["operations"]),
        "capabilities": len(info["capabilities"]),
        "made_from": info["made_from"],
        "deviations": f"{plural(counts.total(), 'case')}, {plural(len(reasons), 'reason')}{whose}"
        if profile.deviations
        else "none",
    }


def _cases_by_category(profile: BackendProfile) -> Counter[str]:
    """Count the cases of each category; a case that several entries name counts for the first.

    Several entries may name a case that can fail in several ways. Departures that occur only on
    some processors are left out.
    """
    owners: dict[str, Category] = {}
    for explained in profile.deviations:
        # How many of these depart depends on the machine that writes the page.
        hangs = explained.deviation.threads or explained.deviation.instructions
        for case in () if hangs else explained.cases:
            owners.setdefault(case, explained.deviation.category)
    counts = Counter(owners.values())
    return Counter({str(category): counts[category] for category in Category if counts[category]})


def _groups(profile: BackendProfile) -> list[tuple[str, list[ExplainedCases], int]]:
    """Return the categories that occur, each with its entries and its number of cases."""
    counts = _cases_by_category(profile)
    found = [
        (str(category), [e for e in profile.deviations if e.deviation.category is category])
        for category in Category
    ]
    return [(name, entries, counts[name]) for name, entries in found if entries]


def _operations(operations: Mapping[str, Mapping[str, str]]) -> str:
    counts = Counter(how["provision"] for how in operations.values())
    return ", ".join(f"{counts[name]} {name}" for name in ("native", "composed") if counts[name])


def _cell(text: str) -> str:
    """Escape text for one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


@cache
def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader("embcheck.reports", "templates"),
        autoescape=False,  # noqa: S701  (Markdown)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(cell=_cell, page_name=page_name)
    environment.globals.update(plural=plural, all_capabilities=len(Capability))
    return environment.get_template(name)
