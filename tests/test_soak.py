"""Beside a backend that does random hostile things, an honest one has the same results as alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

from embcheck.conformance.suite.load import load_spec, spec_files

CASES = int(os.environ.get("EMBCHECK_SOAK_CASES", "40"))
"""How many cases are run; `nox -s soak` asks for 2,000."""
SEED = os.environ.get("EMBCHECK_SOAK_SEED", "0")
HONEST, HOSTILE = "numpy-reference", "zoo-runs-amok"
TIMES = ("seconds", "backend_seconds")


def test_an_honest_backend_has_the_same_results_beside_a_hostile_one(tmp_path):
    """An honest backend has the same results beside a hostile one, except for times."""
    cases = chosen(CASES)
    alone, _ = run(tmp_path / "alone", cases, HONEST)
    beside, others = run(tmp_path / "beside", cases, HOSTILE, HONEST)
    assert len(alone) == len(cases)
    assert beside == alone
    outcomes = {result["outcome"] for result in others}
    assert len(others) == len(cases)
    assert "passed" in outcomes
    assert len(outcomes & {"crashed", "errored", "timed-out", "failed"}) >= 2


def chosen(count):
    """Return a random sample of ids of cases, without large cases and probes."""
    ids = [
        case.id
        for path in spec_files()
        for case in load_spec(path).cases
        if not case.large and case.spec.operation != "probe"
    ]
    return random.Random(SEED).sample(ids, min(count, len(ids)))


def run(out, cases, *backends):
    """Run cases on backends; return the results of the honest one and of the others."""
    words = [word for name in backends for word in ("-b", name)]
    words += [word for case in cases for word in ("--case", case)]
    command = [sys.executable, "-m", "embcheck.cli", "run", *words, "--timeout", "5"]
    ran = subprocess.run(
        [*command, "--out", str(out)], capture_output=True, text=True, check=False, cwd=out.parent
    )
    assert "Traceback" not in ran.stdout + ran.stderr
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]
    assert lines[-1]["type"] == "end"
    results = [line for line in lines if line["type"] == "result"]
    honest = [
        {key: value for key, value in line.items() if key not in TIMES}
        for line in results
        if line["backend"] == HONEST
    ]
    return honest, [line for line in results if line["backend"] != HONEST]
