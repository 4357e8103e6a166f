"""Records: they are read as written, and an interruption keeps what was recorded."""

from __future__ import annotations

import json

import pytest

from embcheck.conformance.records.describe import case_line
from embcheck.conformance.records.lines import (
    CaseLine,
    ClauseLine,
    KnownDeviation,
    Measurement,
    ResultLine,
    RunHeader,
    to_json_data,
)
from embcheck.conformance.records.run import RecordError, read_runs
from embcheck.conformance.records.writer import RunWriter
from embcheck.conformance.suite.load import load_spec

MATRIX = """
behaviour: A behaviour.
operation: embedding
cases:
- id: case
  clauses: [EMB-LOOK-01]
  matrix: {norm_type: [2, .inf], dtype: [float32]}
  inputs:
    weight: {dtype: $dtype, values: [[1]]}
    indices: {dtype: int64, values: [0]}
  options: {norm_type: $norm_type}
  expect: {output: [[1]]}
"""


CASE = CaseLine("a/b/c", "t", "b", ("EMB-LOOK-01",), "documented", "w", {}, {})
CLAUSE = ClauseLine("EMB-LOOK-01", "documented", "s", "o", "p", "docs")


def header(purpose="conformance", planned=2):
    """Return the header of a run."""
    backends = ({"id": "x"}, {"id": "y"})
    return RunHeader(purpose, "2026-01-01T00:00:00+00:00", "0.1.0", "abc", {}, backends, planned)


def result(backend="x", outcome="passed"):
    """Return a result."""
    return ResultLine("a/b/c", ("EMB-LOOK-01",), "documented", backend, outcome, None, "", 0.1)


def test_what_is_written_is_read(tmp_path):
    """A finished run is read with its results, counts and exit code."""
    writer = RunWriter(tmp_path, header())
    writer.write(CLAUSE, CASE, result(), result("y", "failed"))
    writer.finish(1)
    (run,) = read_runs(tmp_path)
    assert [line.outcome for line in run.results] == ["passed", "failed"]
    assert run.footer is not None
    assert (run.footer.exit_code, run.footer.counts) == (1, {"passed": 1, "failed": 1})
    assert not run.partial
    # The summary uses the run that the writer holds, without reading the file again.
    assert writer.run == run
    assert not writer.has_others


@pytest.mark.parametrize(
    ("older", "category"),
    [("upstream-bug", "bug"), ("by-design", "by-design"), ("adapter", "composition")],
)
def test_a_deviation_from_before_there_were_causes_is_read(tmp_path, older, category):
    """A category of an older record is read by its present name; newer lines are unchanged."""
    known = {"happens": "crashed", "category": older, "reason": "r"}
    newer = {**known, "category": "bug", "cause": "memory-unsafety"}
    writer = RunWriter(tmp_path, header())
    for told in (known, newer):
        data = to_json_data(result(outcome="deviated")) | {"deviation": told}
        with writer.path.open("a") as file:
            file.write(json.dumps(data) + "\n")
    writer.close()
    (made,) = read_runs(tmp_path)
    assert [line.deviation for line in made.results] == [
        KnownDeviation(category, "crashed", "r"),
        KnownDeviation("bug", "crashed", "r", cause="memory-unsafety"),
    ]


def test_without_a_footer_a_run_is_partial(tmp_path):
    """A run that was cut off, even in the middle of a line, is partial but keeps whole lines."""
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    writer.close()
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"type": "result", "case": "cut o')
    (run,) = read_runs(tmp_path)
    assert run.partial
    assert len(run.results) == 1


def test_runs_of_two_purposes_share_a_folder(tmp_path):
    """A timing run keeps the conformance run of its folder; another timing run replaces it."""
    for turn in range(2):
        for purpose in ("conformance", "timing"):
            writer = RunWriter(tmp_path, header(purpose, 1))
            timing = Measurement("r1", "x", "hot", 1, 2.0, 1.0, 0.9, 1.1, "SAME", 0.1)
            lines = (CLAUSE, CASE, result()) if purpose == "conformance" else (timing,)
            writer.write(*lines)
            writer.finish(0)
            assert writer.has_others == (purpose == "timing" or turn == 1)
    runs = read_runs(tmp_path)
    assert sorted(run.header.purpose for run in runs) == ["conformance", "timing"]
    assert all(not run.partial for run in runs)
    previous = read_runs(tmp_path / "results.previous.jsonl")
    assert sorted(run.header.purpose for run in previous) == ["conformance", "timing"]


def test_what_is_kept_needs_no_copy(tmp_path):
    """A run that replaces nothing writes no previous file."""
    for purpose in ("conformance", "timing"):
        RunWriter(tmp_path, header(purpose)).finish(0)
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_damaged_record_is_kept_aside(tmp_path):
    """A record that cannot be read is kept aside when a run begins in its folder."""
    (tmp_path / "results.jsonl").write_text('{"type": "run", "purp\nnoise\n')
    RunWriter(tmp_path, header()).finish(0)
    assert "noise" in (tmp_path / "results.previous.jsonl").read_text()
    assert len(read_runs(tmp_path)) == 1


def test_lines_have_the_published_fields(tmp_path):
    """Results and measurements have the published fields."""
    writer = RunWriter(tmp_path, header())
    writer.write(result())
    writer.write(Measurement("r1", "x", "hot", 1, 2.0, 1.0, 0.9, 1.1, "SAME", 0.1))
    writer.finish(0)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {"case", "clauses", "level", "backend", "outcome", "kind", "message", "seconds"} <= set(
        lines[1]
    )
    assert {
        "workload", "backend", "state", "threads", "ns_per_lookup", "ratio", "ratio_low",
        "ratio_high", "verdict", "first_call_seconds",
    } <= set(lines[2])  # fmt: skip
    assert [line["type"] for line in lines] == ["run", "result", "measurement", "end"]


def test_a_case_tells_its_parameters(tmp_path):
    """A case's matrix values are recorded, with infinities as text, since JSON has none."""
    file = tmp_path / "folder" / "file.yaml"
    file.parent.mkdir()
    file.write_text(MATRIX)
    case = load_spec(file).cases[1]
    writer = RunWriter(tmp_path, header())
    writer.write(case_line(case, "behaviour"))
    writer.finish(0)
    (line,) = read_runs(tmp_path)[0].cases.values()
    assert line.parameters == {"norm_type": "inf", "dtype": "float32"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no run"),
        ("hello\nworld\n", "not JSON"),
        ('{"type": "result"}\n', "results.jsonl:1"),
        ('{"type": "run", "format": 99}\n', "newer embcheck"),
        ("[]\n", "not a line of a results file"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path, text, words):
    """A file that is no record is refused with its place and a remedy."""
    (tmp_path / "results.jsonl").write_text(text)
    with pytest.raises(RecordError, match=words):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"details": None}, 'details: null is not of type "object"'),
        ({"details": "many"}, 'details: "many" is not of type "object"'),
        ({"details": {"p50_ns": 1.0}}, "ns_per_call"),
        ({"reasons": "noise"}, 'reasons: "noise" is not of type "array"'),
        ({"reasons": ["noise"]}, 'reasons.0: "noise" is not of type "object"'),
        ({"reasons": [{"kind": "a/a"}]}, 'reasons.0: "text" is a required property'),
    ],
)
def test_a_line_of_another_form_is_refused_with_its_place(tmp_path, change, words):
    """An invalid or missing field is refused with its line and name."""
    data = to_json_data(Measurement("r1", "x", "hot", 1, 2.0, 1.0, 0.9, 1.1, "SAME", 0.1)) | change
    writer = RunWriter(tmp_path, header())
    with writer.path.open("a") as file:
        file.write(json.dumps(data) + "\n")
    writer.close()
    with pytest.raises(RecordError, match=f"results.jsonl:2: .*{words}"):
        read_runs(tmp_path)


def test_a_missing_folder_is_told(tmp_path):
    """For a folder without results, the error names the missing file."""
    with pytest.raises(RecordError, match=r"results\.jsonl: No such file"):
        read_runs(tmp_path)
