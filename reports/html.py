"""One self-contained HTML file from finished runs."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from embcheck.conformance.records.run import Run
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.evidence import Evidence
from embcheck.reports.matrix import link
from embcheck.reports.merge import merge
from embcheck.reports.page import build_page
from embcheck.reports.units import percent_text
from embcheck.reports.untrusted import clean, one_line

SCRIPTS = ("pages.js", "report.js")
NO_EVIDENCE = Evidence()


def write_html(runs: Iterable[Run], path: Path, evidence: Evidence = NO_EVIDENCE) -> None:
    """Write a report of the runs; replaces an earlier file only when the new one is complete."""
    write_whole(path, render_html(runs, evidence))


def render_html(runs: Iterable[Run], evidence: Evidence = NO_EVIDENCE) -> str:
    """Return a report of the runs, and of the files beside them, as HTML.

    No text of a run can become markup: the template escapes it, invisible characters are spelled
    out, and the page's content security policy allows only the report's own script.
    """
    environment = _environment()
    script = "".join(environment.get_template(name).render() for name in SCRIPTS)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = build_page(merge(runs), evidence)
    template = environment.get_template("report.html")
    return template.render(page=page, script=script, script_hash=digest)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("embcheck.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent_text, one_line=one_line)
    environment.globals["link"] = link
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _visible(value: Any) -> Any:
    """Spell out invisible characters in every value that a template prints."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
