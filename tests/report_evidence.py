"""Hand-made coverage, mutation and calibration files for the tests of reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embcheck.reports.evidence import Document, Evidence

DIFF = "--- lookup.py\n+++ lookup.py\n@@ -1,2 +1,2 @@\n kept\n-if a < b:\n+if a <= b:"


def sentence(status: str, **more: Any) -> dict[str, Any]:
    """Make the entry of one sentence of the documentation."""
    fields = {
        "object": "torch.nn.Embedding",
        "parameter": "input",
        "paraphrase": f"This one is {status}.",
        "clauses": ["EMB-LOOK-01"],
        "reason": None,
        "status": status,
    }
    return {**fields, **more}


def coverage_data(*sentences: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make the data of a coverage file, of one documented object."""
    rows = sentences or tuple(map(sentence, ("covered", "gap", "non-normative", "covered")))
    counts = {
        "covered": sum(row["status"] == "covered" for row in rows),
        "non_normative": sum(row["status"] == "non-normative" for row in rows),
        "total": len(rows),
    }
    name = rows[0]["object"]
    parameter = {"parameter": rows[0]["parameter"], **counts}
    return {
        "format": 1,
        "torch": "2.13.0",
        **counts,
        "gaps": counts["total"] - counts["covered"] - counts["non_normative"],
        "objects": [{"object": name, **counts, "parameters": [parameter]}],
        "sentences": list(rows),
        **more,
    }


def mutant(status: str, **more: Any) -> dict[str, Any]:
    """Make the entry of one mutant."""
    fields = {
        "id": f"mutant-{status}",
        "clause": "EMB-LOOK-01",
        "says": f"This bug is {status}.",
        "file": "backends/reference/definition/forward.py",
        "diff": DIFF,
        "status": status,
        "killed_by": ["embedding/lookup/picks-rows", "embedding/lookup/gone"],
        "elsewhere": 0,
    }
    return {**fields, **more}


def mutation_data(*mutants: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make the data of a mutation file, of one clause."""
    rows = mutants or tuple(map(mutant, ("killed", "survived", "killed-elsewhere")))
    killed = sum(row["status"] == "killed" for row in rows)
    return {
        "format": 1,
        "killed": killed,
        "total": len(rows),
        "mutants": list(rows),
        "clauses": [{"clause": rows[0]["clause"], "killed": killed, "total": len(rows)}],
        "generated": None,
        **more,
    }


def calibration_data(*cells: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make the data of a calibration file, of one method."""
    found = cells or tuple(
        {"state": state, "planted_percent": percent, "comparisons": 200, "slower": slower,
         "faster": 1, "same": 0}
        for state, percent, slower in (("dram", 0, 1), ("hot", 0, 2), ("hot", 10, 198))
    )  # fmt: skip
    target = {"what": "10 % more, hot, found", "relation": ">=", "wanted": 0.95}
    return {
        "format": 1,
        "finished": "2026-11-27T10:00:00+00:00",
        "embcheck": "0.1.0",
        "machine": {"cpu": "Acme 9000", "cores": 2},
        "settings": {"generations": 3, "block_ms": 4.0, "sequential_blocks": 24},
        "trials": [{"state": "hot", "count": 100, "seconds": 400.0, "median_rounds": 40,
                    "flagged_share": 0.02}],
        "methods": [{"method": "rounds", "ours": True, "cells": list(found)}],
        "targets": [{**target, "count": 198, "of": 200, "met": True}],
        **more,
    }  # fmt: skip


def evidence(
    coverage: Mapping[str, Any] | None = None,
    mutation: Mapping[str, Any] | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Evidence:
    """Return evidence as if it had been read from a folder `somewhere`."""
    documents = (data and Document(data, "somewhere") for data in (coverage, mutation, calibration))
    return Evidence(*documents)


def write_evidence(folder: Path, kind: str, data: Any) -> Path:
    """Write `kind`.json into a folder, from data or as given text; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data), "utf-8")
    return file
