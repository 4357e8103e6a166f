"""Read the data that is embedded in a report's page."""

from __future__ import annotations

import json
import re
from typing import Any


def data_of(page: str) -> Any:
    """Return the JSON data that a page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def results_of(page: str) -> list[dict[str, Any]]:
    """Return the results in a page's data, with references to texts and arrays resolved."""
    data = data_of(page)
    known = iter(range(len(data["details"])))
    found = []
    for place, number in enumerate(data["detail"]):
        detail = data["details"][number - 1 if number else next(known)]
        kind, message, observed, deviation, stage = [*detail, *[0] * 5][:5]
        found.append(
            {
                "backend": data["backends"][data["backend"][place]],
                "mark": data["marks"][data["mark"][place]][0],
                "kind": data["texts"][kind],
                "message": data["texts"][message],
                "stage": data["texts"][stage],
                "observed": [data["entries"][entry] for entry in observed or ()],
                "deviation": data["deviations"][deviation - 1] if deviation else None,
                "milliseconds": data["milliseconds"][place],
            }
        )
    return found
