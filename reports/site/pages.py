"""The pages of a site, and its data for programs, by the names of their files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from embcheck.reports.answers.badges import badge, badge_text
from embcheck.reports.answers.compat_terminal import rank, says
from embcheck.reports.answers.recipe_advice import recipe_of
from embcheck.reports.answers.recipes import recipes
from embcheck.reports.compat import FILE_NAME, Supported
from embcheck.reports.compat_text import to_text
from embcheck.reports.marks import Mark
from embcheck.reports.page.html import templates_of
from embcheck.reports.site.model import Site, SiteBackend, SitePoint
from embcheck.reports.site.names import file_name
from embcheck.reports.site.trend import HEIGHT, KINDS, STEP, chart, counts_of, kind_of, steps
from embcheck.reports.tables import BackendScore, Score, categories_text
from embcheck.reports.untrusted import one_line, web_link

FORMAT = 1
SCHEMA = "compat.schema.json"


def pages(site: Site) -> Iterator[tuple[str, str]]:
    """Yield all files but the reports of the runs: names below the folder of the site, and texts.

    The same records give the same bytes.
    """
    yield "index.html", _page("index.html", site, "")
    for name, backend in site.backends.items():
        yield f"backends/{file_name(name)}.html", _backend_page(site, backend)
        yield f"badges/{file_name(name)}.json", badge_text(site.data.backends[name])
    for name in site.data.features:
        yield f"features/{file_name(name)}.html", _feature_page(site, name)
    yield FILE_NAME, to_text(site.data)
    yield SCHEMA, files("embcheck.reports").joinpath(SCHEMA).read_text("utf-8")
    yield "index.json", json.dumps(_index(site), ensure_ascii=False, indent=1) + "\n"


def report_name(record: str) -> str:
    """Return the name of the file of a record's report."""
    return f"runs/{record}.html"


def _backend_page(site: Site, backend: SiteBackend) -> str:
    column = site.data.backends[backend.id]
    every = steps(backend.points)
    recipe = recipe_of(backend.id, column.library, recipes(), site.backends)
    return _page(
        "backend.html",
        site,
        "../",
        backend=backend,
        column=column,
        answers=sorted(column.features.items(), key=lambda item: rank(item[1])),
        chart=chart(backend.points),
        # Steps without a change are left out, but the page still says that points were compared.
        steps=[step for step in reversed(every) if step.turns or step.other],
        is_compared=bool(every),
        recipe=recipe,
        code=recipes()[recipe.name] if recipe else "",
    )


def _feature_page(site: Site, feature: str) -> str:
    found = [
        (column, column.features[feature])
        for column in site.data.backends.values()
        if feature in column.features
    ]
    return _page(
        "feature.html",
        site,
        "../",
        feature=feature,
        answers=sorted(found, key=lambda item: (rank(item[1]), item[0].id)),
    )


def _page(template: str, site: Site, root: str, **values: Any) -> str:
    """Fill in a template; `root` leads from the page to the folder of the site."""
    text: str = _environment().get_template(template).render(site=site, root=root, **values)
    return text


@cache
def _environment() -> Environment:
    environment = templates_of("embcheck.reports.site")
    environment.filters.update(
        # A name from a record may have characters with a meaning in URLs.
        address=lambda name: quote(file_name(name)),
        one_line=one_line,
        says=says,
    )
    environment.globals.update(
        answer=_answer,
        badge=badge,
        by_support=_by_support,
        categories_text=categories_text,
        counts_of=counts_of,
        died=_died,
        height=HEIGHT,
        kind_of=kind_of,
        kinds=KINDS,
        made_by=f"embcheck {version('embcheck')}",
        report_name=report_name,
        share=_share,
        step=STEP,
        web_link=web_link,
    )
    return environment


def _answer(found: Supported) -> str:
    return found.support if found.how is None else f"{found.support}, {found.how}"


def _by_support(site: Site, feature: str) -> Counter[str]:
    columns = site.data.backends.values()
    return Counter(
        kind_of(column.features[feature]) for column in columns if feature in column.features
    )


def _died(score: BackendScore) -> int:
    return score.total[Mark.CRASHED] + score.total[Mark.TIMED_OUT]


def _share(score: Score) -> str:
    return f"{score.passed:,}/{score.scored:,}" if score.scored else "-"


def _index(site: Site) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_by": f"embcheck {version('embcheck')}",
        "suite": site.data.suite,
        "runs": [
            {
                "id": listed.id,
                "day": listed.day,
                "embcheck": listed.embcheck,
                "suites": [*listed.suites],
                "backends": [*listed.backends],
                "report": report_name(listed.id),
            }
            # The newest first, as on the page.
            for listed in reversed(site.records)
        ],
        "backends": {name: _plain(site, backend) for name, backend in site.backends.items()},
        "features": {name: f"features/{file_name(name)}.html" for name in site.data.features},
    }


def _plain(site: Site, backend: SiteBackend) -> dict[str, Any]:
    column = site.data.backends[backend.id]
    return {
        "library": column.library,
        "version": column.version,
        "device": column.device,
        "page": f"backends/{file_name(backend.id)}.html",
        "badge": f"badges/{file_name(backend.id)}.json",
        **_plain_point(backend.shown),
        "points": [{"version": point.version, **_plain_point(point)} for point in backend.points],
    }


def _plain_point(point: SitePoint) -> dict[str, Any]:
    return {
        "day": point.day,
        "run": point.record,
        "suite": point.suite,
        "part": point.part,
        "scores": _plain_score(point.score),
        "features": counts_of(point),
    }


def _plain_score(score: BackendScore) -> dict[str, Any]:
    return {
        "answers": [score.answers.passed, score.answers.scored],
        "guards": [score.guards.passed, score.guards.scored],
        "silent": score.total[Mark.SILENT],
        "loud": score.total[Mark.LOUD],
        "died": _died(score),
        "unsupported": score.total[Mark.UNSUPPORTED],
        "departures": score.total.departures,
        "known": score.known,
    }
