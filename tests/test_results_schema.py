"""The schema of `results.jsonl` comes from the dataclasses, and every written line fits it."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from commands import SMALL, embcheck
from jsonschema import Draft202012Validator
from report_runs import case, header, info, result, timing
from tiny_workload import tiny_workload

from embcheck.conformance.records.lines import FORMAT_VERSION, KnownDeviation, to_json_data
from embcheck.conformance.records.schema import WORDS, results_schema
from embcheck.conformance.timing.clock.settings import TimingSettings
from embcheck.conformance.timing.runs.price_session import run_prices
from embcheck.conformance.timing.runs.session import run_timing
from embcheck.conformance.timing.workloads.load import load_workloads

TINY = "rows: 500, columns: 8, indices: 300, states: [hot], threads: [all], seconds: 0.05"
QUICK = TimingSettings(
    generations=2, block_seconds=0.0002, min_rounds=4, seconds=0.05, timeout=60.0
)


@pytest.fixture(scope="module")
def validator():
    """Return a validator of the published schema."""
    published = json.loads(files("embcheck.specs").joinpath("results.schema.json").read_text())
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published)


def test_the_published_schema_is_that_of_the_dataclasses(validator):
    """The published schema is what `python -m embcheck.conformance.records.schema` prints."""
    assert validator.schema == json.loads(json.dumps(results_schema()))
    version = validator.schema["$defs"]["RunHeader"]["properties"]["format"]
    assert version == {"const": FORMAT_VERSION}
    for (kind, name), words in WORDS.items():
        found = validator.schema["$defs"][kind.__name__]["properties"][name]
        allowed = found.get("items", found)["enum"]
        assert [*map(str, words)] == [word for word in allowed if word is not None]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a folder with small runs of cases, timings and prices, and all of them merged.

    The backends answer, fail in various ways, and die.
    """
    folder = tmp_path_factory.mktemp("runs")
    names = ["numpy-reference", "zoo-wrong-row", "zoo-segfaults", "zoo-undeclared"]
    backends = [part for name in names for part in ("-b", name)]
    embcheck("run", *backends, "--specs", SMALL, "--out", folder / "cases")
    (folder / "tiny.yaml").write_text(tiny_workload(TINY, TINY))
    workloads = list(load_workloads([folder / "tiny.yaml"]).values())
    timed = ["numpy-reference", "zoo-prints", "zoo-wrong-row"]
    run_timing(timed, workloads, folder / "timings", QUICK)
    run_prices(timed[::2], workloads, folder / "prices", QUICK)
    parts = [folder / name for name in ("cases", "timings", "prices")]
    merged = embcheck("merge", *parts, "--out", folder / "merged")
    assert merged.returncode == 0, merged.stderr
    return folder


@pytest.mark.parametrize("name", ["cases", "timings", "prices", "merged"])
def test_every_line_that_is_written_is_valid(validator, written, name):
    """Every line of these runs, and of what `merge` writes, fits the schema; all types occur."""
    text = (written / name / "results.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    found = {error.message for line in lines for error in validator.iter_errors(line)}
    assert not found
    kinds = {line["type"] for line in lines}
    if name == "merged":
        assert kinds == set(validator.schema["properties"]["type"]["enum"])
        assert len({line["outcome"] for line in lines if line["type"] == "result"}) > 2


def test_what_is_merged_says_the_same(written):
    """`diff` finds no difference between a run and the merged record."""
    found = embcheck("diff", written / "cases", written / "merged")
    assert found.returncode == 0, found.stdout + found.stderr


DEVIATION = KnownDeviation("bug", "crashed", "r", ("a/b/*",), "memory-unsafety")


@pytest.mark.parametrize(
    ("line", "change", "words"),
    [
        (header([info("x")]), {"format": FORMAT_VERSION + 1}, "was expected"),
        (header([info("x")]), {"planned": "many"}, "'many' is not of type 'integer'"),
        (case(), {"call": None}, "None is not of type 'object'"),
        (result("x"), {"outcome": "fine"}, "'fine' is not one of"),
        (result("x"), {"kind": "odd"}, "'odd' is not one of"),
        (result("x"), {"notes": ["odd"]}, "'odd' is not one of"),
        (result("x"), {"observed": {"output": {"shape": "2"}}}, "'2' is not of type 'array'"),
        (result("x", deviation=DEVIATION), {"deviation": {"happens": "x"}}, "not valid under any"),
        (timing("x"), {"verdict": "QUICK"}, "'QUICK' is not one of"),
        (timing("x"), {"details": {"ns_per_call": "3"}}, "'3' is not of type 'number'"),
        (timing("x"), {"details": {"p50_ns": 3.0}}, "is a dependency of 'p50_ns'"),
        (timing("x"), {"reasons": [{"kind": "a/a"}]}, "'text' is a required property"),
    ],
)
def test_what_is_no_line_is_refused(validator, line, change, words):
    """The schema refuses wrong types, unknown words and missing fields."""
    data = json.loads(json.dumps(to_json_data(line)))
    assert not list(validator.iter_errors(data))
    found = [error.message for error in validator.iter_errors({**data, **change})]
    assert any(words in message for message in found), found
    kept = {key: value for key, value in data.items() if key != next(iter(change))}
    assert list(validator.iter_errors(kept))
