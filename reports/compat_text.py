"""The data on compatibility as the text that ships: the same bytes for the same data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from embcheck.reports.compat import (
    AS_DOCUMENTED,
    FORMAT,
    REASON,
    Compat,
    Shown,
    Supported,
    bits_of,
)


def to_text(compat: Compat) -> str:
    """Return data on compatibility as JSON: the same text for the same data."""
    reasons: dict[tuple[str, ...], int] = {}
    examples: dict[str, int] = {}
    dtypes: dict[str, int] = {}
    # Reasons, examples and answers repeat for many features: each stands once, and has a number.
    words = sorted(compat.words)
    place = {word: number for number, word in enumerate(words)}
    answers: dict[str, int] = {}
    data: dict[str, Any] = {
        "format": FORMAT,
        "suite": compat.suite,
        "sources": compat.sources,
        "features": {
            name: {"says": says, "digest": compat.digests[name]}
            for name, says in compat.features.items()
        },
        "profiles": {name: asdict(use) for name, use in compat.profiles.items()},
        "backends": {
            id_: {
                "library": column.library,
                "version": column.version,
                "device": column.device,
                "date": column.date,
                "suite": column.suite,
                **({"stale": [*column.stale]} if column.stale else {}),
                **({"versions": asdict(column.versions)} if column.versions.run else {}),
                "features": {
                    name: _plain(found, reasons, examples, dtypes)
                    for name, found in column.features.items()
                },
            }
            for id_, column in sorted(compat.backends.items())
        },
    }
    data["reasons"] = [dict(zip(REASON, reason, strict=True)) for reason in reasons]
    data["examples"] = list(examples)
    data["dtypes"] = [json.loads(told) for told in dtypes]
    if compat.cases:
        data["cases"] = {id_: _plain_case(case, answers) for id_, case in compat.cases.items()}
        data["answers"] = list(answers)
    if compat.contexts:
        data["uses"] = {word: [*names] for word, names in compat.uses.items()}
        data["words"] = words
        data["contexts"] = {
            # A set of words as the bits of a number: as text, contexts would be ten times as long.
            name: " ".join(bits_of(each, place) for each in sets)
            for name, sets in compat.contexts.items()
        }
    parts = [f'"{key}":{_lines(part, _NESTED.get(key, 1))}' for key, part in data.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


_NESTED = {"backends": 3, "uses": 0, "words": 0, "contexts": 0}
"""How many levels of each part are spread over lines: an answer has a line, and so has a case."""


def _lines(part: Any, levels: int) -> str:
    """Return a part as JSON; deeper levels than `levels` stand in one line, which is shorter."""
    if not levels or not isinstance(part, dict | list):
        return json.dumps(part, ensure_ascii=False, separators=(",", ":"))
    if isinstance(part, dict):
        items = [f"{json.dumps(key)}:{_lines(value, levels - 1)}" for key, value in part.items()]
        return "{\n" + ",\n".join(items) + "\n}"
    return "[\n" + ",\n".join(_lines(value, levels - 1) for value in part) + "\n]"


def _plain(
    found: Supported,
    reasons: dict[tuple[str, ...], int],
    examples: dict[str, int],
    dtypes: dict[str, int],
) -> dict[str, Any]:
    told: dict[str, Any] = {"support": found.support}
    told |= {name: getattr(found, name) for name in ("how", "says", "contexts")}
    told["apart"] = list(found.apart)
    told["history"] = [
        {key: value for key, value in asdict(since).items() if value} for since in found.history
    ]
    if found.dtypes:
        each: dict[str, list[str]] = {}
        for dtype, part in found.dtypes.items():
            each.setdefault(f"{part.support} {part.how or ''}".rstrip(), []).append(dtype)
        answers = json.dumps({answer: " ".join(names) for answer, names in each.items()})
        told["dtypes"] = dtypes.setdefault(answers, len(dtypes))
    if found.reason:
        reason = tuple(getattr(found, name) for name in REASON)
        told["reason"] = reasons.setdefault(reason, len(reasons))
    if found.example:
        told["example"] = examples.setdefault(found.example, len(examples))
    # Empty fields are left out: `_supported` in `compat.py` puts them back.
    return {name: value for name, value in told.items() if value not in (None, "", {}, [])}


def _plain_case(case: Shown, answers: dict[str, int]) -> dict[str, Any]:
    """Return a case as plain data; right answers, which are most, are left out."""
    wrong = {name: said for name, said in case.answers.items() if said != AS_DOCUMENTED}
    numbers = {name: answers.setdefault(said, len(answers)) for name, said in wrong.items()}
    return {"call": case.call, "wanted": case.wanted, "answers": numbers}
