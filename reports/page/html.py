"""One self-contained HTML file from finished runs."""

from __future__ import annotations

import gzip
import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from embcheck.conformance.records.run import Run
from embcheck.conformance.records.writer import write_whole
from embcheck.reports.evidence import Evidence
from embcheck.reports.matrix import link
from embcheck.reports.merge import Merged, merge
from embcheck.reports.page.advice_payload import advice_payload
from embcheck.reports.page.contents import build_page
from embcheck.reports.page.payload import Payload
from embcheck.reports.page.score_families import COLUMNS, REST, WHOSE
from embcheck.reports.readings import SAID, WORDS
from embcheck.reports.stages import Stages
from embcheck.reports.timings import choices
from embcheck.reports.units import percent_text
from embcheck.reports.untrusted import clean, one_line

SCRIPTS = (
    "elements.js",
    "pages.js",
    "advice.js",
    "needs.js",
    "data.js",
    "evidence.js",
    "matrix.js",
    "cases.js",
    "scores.js",
    "timings.js",
    "plot.js",
)
PLAIN_LIMIT = 2**18
"""Data of up to this many characters stands in the page as it is; longer data is compressed."""

NO_EVIDENCE = Evidence()


def write_html(runs: Iterable[Run] | Merged, path: Path, evidence: Evidence = NO_EVIDENCE) -> None:
    """Write a report of the runs; replace an earlier file only when the new one is complete."""
    write_whole(path, render_html(runs, evidence))


def render_html(runs: Iterable[Run] | Merged, evidence: Evidence = NO_EVIDENCE) -> str:
    """Return a report of the runs, and of the files beside them, as HTML.

    No text of a run can become markup: the template escapes it, invisible characters are spelled
    out, and the page's content security policy allows only the report's own script.
    """
    environment = _environment()
    script = "".join(environment.get_template(name).render() for name in SCRIPTS)
    # The page's content security policy names the script by this hash, and blocks any other.
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    merged = merge(runs)
    plain, packed = _block(Payload(merged, Stages(merged)).build())
    needs_plain, needs_packed = _block(advice_payload(merged))
    return environment.get_template("report.html").render(
        page=build_page(merged, evidence),
        script=script,
        script_hash=digest,
        plain=plain,
        packed=packed,
        needs_plain=needs_plain,
        needs_packed=needs_packed,
    )


def page_of(template: str, **values: Any) -> str:
    """Return a page without scripts from a template; no text of a run can become markup."""
    text: str = _environment().get_template(template).render(**values)
    return text


def _block(data: dict[str, Any] | None) -> tuple[Markup, str]:
    """Return the script's data as JSON, and compressed; one is empty: the first if it is long."""
    if data is None:
        return Markup(""), ""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    if len(text) <= PLAIN_LIMIT:
        return htmlsafe_json_dumps(data, separators=(",", ":"), allow_nan=False), ""
    # Without a timestamp, so that the same runs give the same bytes.
    return Markup(""), b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def templates_of(package: str) -> Environment:
    """Return the environment of a package's templates, in which no text can become markup."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        # A name that is misspelled in a template is an error, and not an empty text.
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _environment() -> Environment:
    environment = templates_of("embcheck.reports")
    environment.filters.update(percent=percent_text, one_line=one_line, choices=choices)
    environment.globals.update(link=link, words=(*WORDS, SAID))
    environment.globals.update(score_columns=COLUMNS, score_rest=REST, score_whose=WHOSE)
    return environment


def _visible(value: Any) -> Any:
    """Spell out invisible characters in every value that a template prints."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
