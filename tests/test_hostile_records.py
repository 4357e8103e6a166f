"""Records from strangers: any bytes give a page, a partial one, or an error with its place."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_records as hostile
import pytest
from click.testing import CliRunner
from commands import embcheck
from hostile_records import Lines, numbers_of, passing_record, text_of, whole_record
from report_runs import INVALID, PLAIN

from embcheck.cli.main import main
from embcheck.conformance.records.run import FILE_NAME, RecordError, Run, read_runs
from embcheck.conformance.suite.identity import suite_fingerprint
from embcheck.conformance.suite.load import load_spec
from embcheck.conformance.timing.runs.session import CannotResume, interrupted
from embcheck.reports.page.html import render_html

WHOLE, PASSING = whole_record(), passing_record()
CONFORMS = "conform to the contract."
MUTATIONS = [
    *hostile.value_mutations(WHOLE, 70, 1),
    *hostile.line_mutations(WHOLE, 30, 2),
    *hostile.byte_mutations(WHOLE, 40, 3),
]


def write(folder: Path, content: bytes | Lines) -> Path:
    """Write a record into a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, bytes) else text_of(content)
    (folder / FILE_NAME).write_bytes(text)
    return folder


def called(*arguments: object) -> tuple[int, str]:
    """Call the command; return its exit code and output."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> list[Run]:
    """Return the runs of the record that the mutations are made from."""
    return read_runs(write(tmp_path_factory.mktemp("base"), WHOLE))


def test_what_the_others_are_made_from_is_whole(tmp_path, base) -> None:
    """The base record has all types of lines and no doubts, and the passing one conforms."""
    assert {line["type"] for line in WHOLE} == {
        *("run", "clause", "case", "result", "rounds", "measurement", "price", "end")
    }
    assert not any(run.doubts for run in base)
    assert CONFORMS in render_html(read_runs(write(tmp_path, PASSING)))


@pytest.mark.parametrize(
    "text", [text for _, text in MUTATIONS], ids=[name[:60] for name, _ in MUTATIONS]
)
def test_a_changed_record_is_a_page_or_refused(tmp_path, base, text) -> None:
    """A mutated record gives a page or an error with its place, and no other exception."""
    said = hostile.use(tmp_path, text, base)
    if not said.startswith("<!doctype"):
        assert FILE_NAME in said or "are not the same in all runs" in said
        assert "; " in said
        assert said.isprintable()


END = b'"seconds": 60.0'


def nested(depth: int) -> bytes:
    """Return a header's settings with objects nested to a depth."""
    return b'"settings": ' + b'{"a":' * depth + b"1" + b"}" * depth


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "latin-1": (lambda text: text.replace(b"acme", b"acm\xe9"), ":1: not UTF-8"),
    "utf-16": (lambda text: text.decode().encode("utf-16"), ":1: not UTF-8"),
    "utf-16 without a mark": (lambda text: text.decode().encode("utf-16-le"), ":1: not JSON"),
    "a byte-order mark": (lambda text: b"\xef\xbb\xbf" + text, ":1: begins with a byte-order"),
    "a NUL": (lambda text: text.replace(b"acme", b"ac\0me"), ":1: not JSON"),
    "5,000 digits": (lambda text: text.replace(b"60.0", b"9" * 5000), "number of 5,000 char"),
    "400 digits": (lambda text: text.replace(b"60.0", b"9" * 400), "number of 400 char"),
    "NaN": (lambda text: text.replace(b"60.0", b"NaN"), "NaN is no number"),
    "infinity": (lambda text: text.replace(b"60.0", b"-Infinity"), "-Infinity is no number"),
    "1e999": (lambda text: text.replace(b"60.0", b"1e999"), "1e999 is no number"),
    "100,000 deep": (
        lambda text: text.replace(b'"settings": {}', nested(10**5)),
        ":1: nested more than 100 deep",
    ),
    "200 deep": (
        lambda text: text.replace(b'"settings": {}', nested(200)),
        ":1: nested more than 100 deep",
    ),
    "a key twice": (lambda text: text.replace(END, END + b', "seconds": 1'), "key stands twice"),
    "a line of 20 MB": (
        lambda text: text.replace(b'"message": ""', b'"message": "' + b"x" * 20_000_000 + b'"', 1),
        "longer than 16 MiB",
    ),
    "an unknown type": (lambda text: text.replace(b'"end"', b'"fin"'), "not a line of a results"),
    "a list as type": (lambda text: text.replace(b'"end"', b'["end"]'), "not a line of a results"),
    "no object": (lambda _: b"[]\n", ":1: not a line of a results"),
    "the end first": (lambda text: text_of([PASSING[-1]]) + text, ":1: no run header"),
    "a newer format": (lambda text: text.replace(b'"format": 1', b'"format": 2'), "newer embcheck"),
    "a format in words": (lambda text: text.replace(b'"format": 1', b'"format": "1"'), "format: "),
    "text at the end": (lambda text: text + b"hello\n", "not JSON"),
    "nothing": (lambda _: b"", "holds no run"),
    "empty lines": (lambda _: b"\n\n \n", "holds no run"),
    "a number as text": (lambda text: text.replace(b"60.0", b'"60"'), "seconds: "),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_record_are_refused(tmp_path, name) -> None:
    """Bytes that are no record are refused with file, line and reason, and exit code 2."""
    change, words = BYTES[name]
    text = change(text_of(PASSING))
    assert text != text_of(PASSING)
    with pytest.raises(RecordError) as told:
        read_runs(write(tmp_path, text))
    assert words in str(told.value)
    assert str(told.value).startswith(f"{tmp_path / FILE_NAME}:")
    assert called("report", tmp_path, "--html", tmp_path / "x.html")[0] == 2


KEPT: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "an empty line": lambda text: text.replace(b"\n", b"\n\n"),
    "no last end of line": lambda text: text[:-1],
    "a lone surrogate": lambda text: text.replace(b'"message": ""', b'"message": "\\ud800"'),
    "keys that nobody knows": lambda text: text.replace(b'"type"', b'"new": [1], "type"'),
    "50 deep": lambda text: text.replace(b'"settings": {}', nested(50)),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_what_changes_nothing_is_read(tmp_path, name) -> None:
    """Other ends of lines, unknown keys and lone surrogates are read."""
    text = KEPT[name](text_of(PASSING))
    assert text != text_of(PASSING)
    runs = read_runs(write(tmp_path, text))
    assert not runs[0].doubts
    page = render_html(runs)
    assert CONFORMS in page
    page.encode()


@pytest.mark.parametrize("tail", [b'{"type": "resu', b"\0" * 500, b'{"type": "run", "x": "\xc3'])
def test_a_last_line_that_was_cut_off_makes_the_run_partial(tmp_path, tail) -> None:
    """A run whose last line is cut off keeps its results and is partial."""
    (run,) = read_runs(write(tmp_path, text_of(PASSING) + tail))
    assert len(run.results) == 8
    assert run.partial
    assert CONFORMS not in render_html([run])


def fifo(path: Path) -> None:
    """Make a FIFO, on which a reader would wait."""
    os.mkfifo(path)


PLACES: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "fifo": fifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "circle": lambda path: path.symlink_to(path),
    "missing": Path,
}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_file_is_refused_at_once(tmp_path, name) -> None:
    """A folder, FIFO, device or missing file is refused at once, without a traceback."""
    PLACES[name](tmp_path / FILE_NAME)
    done = subprocess.run(
        [sys.executable, "-m", "embcheck.cli", "report", tmp_path, "--html", tmp_path / "x.html"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"embcheck report: {tmp_path / FILE_NAME}: ")
    assert "Traceback" not in done.stderr


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch) -> None:
    """A file without read permission is refused with the system's reason."""

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    folder = write(tmp_path, PASSING)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordError, match=f"{FILE_NAME}: Permission denied; name a folder"):
        read_runs(folder)


COMMANDS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "report": lambda bad, good: ("report", good, bad, "--html", bad / "x.html"),
    "diff before": lambda bad, good: ("diff", bad, good),
    "diff after": lambda bad, good: ("diff", good, bad),
    "merge": lambda bad, good: ("merge", good, bad, "--out", bad / "out"),
    "triage": lambda bad, _: ("triage", bad),
    "audit": lambda bad, _: ("audit", bad, "--out", bad / "audit"),
    "bench": lambda bad, _: ("bench", "--against", bad, "--out", bad / "bench"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_a_line_by_its_place(tmp_path, name) -> None:
    """Every command refuses an invalid line with its place and exit code 2."""
    good = write(tmp_path / "good", PASSING)
    bad = write(tmp_path / "bad", hostile.with_value(PASSING, (3, "level"), ["\x1b[31m"]))
    code, said = called(*COMMANDS[name](bad, good))
    assert code == 2
    assert f"{bad / FILE_NAME}:4: level: " in said.replace("\n", "")
    assert "\x1b" not in said


def cut_out(lines: Lines, **values: Any) -> Lines:
    """Return a record without the results that have these values."""
    gone = set(numbers_of(lines, "result", **values))
    return [line for number, line in enumerate(lines) if number not in gone]


def planned(lines: Lines, number: int) -> Lines:
    """Return a record that says it planned, and counted, another number of passes."""
    made = hostile.with_value(lines, (0, "planned"), number)
    return hostile.with_value(made, (len(made) - 1, "counts"), {"passed": number})


RESULTS = numbers_of(PASSING, "result")
LAST = len(PASSING) - 1
FAILED = {"outcome": "failed", "kind": "wrong-value", "silent": True}
DOCTORED: dict[str, tuple[Lines, str]] = {
    "results cut out": (cut_out(PASSING, backend="zeta"), "it has 4 results, and 8 were planned"),
    "results and cases cut out": (
        [line for line in PASSING if line.get("case") != INVALID],
        "it has 6 results, and 8 were planned",
    ),
    "and planned changed": (
        hostile.with_value(cut_out(PASSING, case=INVALID), (0, "planned"), 6),
        "its end counts 8 passed, and it has 6",
    ),
    "planned changed": (hostile.with_value(PASSING, (0, "planned"), 4), "4 were planned"),
    "counts changed": (
        hostile.with_value(PASSING, (LAST, "counts"), {"passed": 7, "failed": 1}),
        "its end counts 1 failed, and it has 0",
    ),
    "no counts": (hostile.with_value(PASSING, (LAST, "counts"), {}), "its end counts 0 passed"),
    "an outcome changed": (
        hostile.with_value(PASSING, (RESULTS[0], "outcome"), "observed"),
        "its end counts 8 passed, and it has 7",
    ),
    "two ends": ([*PASSING, PASSING[-1]], f"line {len(PASSING) + 1} stands after its end"),
    "a result after the end": (
        planned([*PASSING, PASSING[RESULTS[0]]], 9), "stands after its end"
    ),
    "one result twice, another cut out": (
        [PASSING[RESULTS[0]] if n == RESULTS[1] else line for n, line in enumerate(PASSING)],
        "1 results stand twice",
    ),
    "a later result hides a failure": (
        planned(
            [*PASSING[: RESULTS[0]], {**PASSING[RESULTS[0]], **FAILED}, *PASSING[RESULTS[0] :]], 9
        ),
        "1 results stand twice",
    ),
    "a backend that the header lacks": (
        hostile.with_value(PASSING, (RESULTS[0], "backend"), "other"),
        "1 results are of a backend that the header does not name",
    ),
    "a backend said to be unavailable": (
        hostile.with_value(PASSING, (0, "backends", 1), {"id": "zeta", "unavailable": "no"}),
        "4 results are of a backend that is said to be unavailable",
    ),
    "a backend twice in the header": (
        hostile.with_value(PASSING, (0, "backends", 1, "id"), "acme"), "names a backend twice"
    ),
    "a case without a line": (
        [line for n, line in enumerate(PASSING) if n != numbers_of(PASSING, "case")[0]],
        "2 results are of a case that has no line",
    ),
    "a clause without a line": (
        [line for line in PASSING if line["type"] != "clause"], "1 clauses have no line"
    ),
    "a case of another level": (
        hostile.with_value(PASSING, (numbers_of(PASSING, "case")[0], "level"), "domain"),
        "2 results name another level",
    ),
    "a case twice, in two ways": (
        [*PASSING[:3], {**PASSING[2], "title": "other"}, *PASSING[3:]],
        "line 4 states a case or clause otherwise",
    ),
    "explained by nothing": (
        [
            {**line, "outcome": "deviated"} if n == RESULTS[0]
            else {**line, "counts": {"passed": 7, "deviated": 1}} if n == LAST else line
            for n, line in enumerate(PASSING)
        ],
        "1 results are explained by no deviation",
    ),
    "a failure called passed": (
        hostile.with_value(PASSING, (RESULTS[0], "kind"), "wrong-value"),
        "1 results name a kind of failure that is not theirs",
    ),
    "a silent failure called loud": (
        [
            line | {**FAILED, "silent": False} if n == RESULTS[0]
            else {**line, "counts": {"passed": 7, "failed": 1}} if n == LAST else line
            for n, line in enumerate(PASSING)
        ],
        "1 results name a kind of failure that is not theirs",
    ),
    "the header twice": ([PASSING[0], *PASSING], "after 0 of 8 results"),
    "no end": (PASSING[:-1], "it stopped before its end, after 8 of 8 results"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCTORED)
def test_a_record_that_does_not_add_up_is_partial(tmp_path, name) -> None:
    """A record that contradicts itself is partial in all outputs, also after merging."""
    lines, why = DOCTORED[name]
    folder = write(tmp_path / "run", lines)
    whole = write(tmp_path / "whole", PASSING)
    for made in (folder, tmp_path / "out"):
        page = tmp_path / "page.html"
        code, said = called("report", made, "--html", page)
        assert code == 0
        assert "PARTIAL: " in said
        assert CONFORMS not in page.read_text()
        assert "Partial run." in page.read_text()
        if made is folder:
            assert why in " ".join(said.split())
            said = called("diff", whole, folder)[1]
            assert f"{folder} is partial: " in said or "judge 1 clauses and cases in two" in said
            code, said = called("merge", folder, "--out", tmp_path / "out")
            assert (code, said.splitlines()[0][-10:]) == (0, "of them partial"[-10:])


def test_a_quick_run_beside_a_doctored_one_does_not_conform(tmp_path) -> None:
    """A quick run and a partial run together do not conform."""
    quick = hostile.with_value(PASSING, (0, "settings"), {"selection": "one case of each clause"})
    folders = [write(tmp_path / "quick", quick), write(tmp_path / "cut", DOCTORED["no end"][0])]
    page = tmp_path / "page.html"
    assert called("merge", *folders, "--out", tmp_path / "both")[0] == 0
    for made in (folders, [tmp_path / "both"]):
        assert called("report", *made, "--html", page)[0] == 0
        assert CONFORMS not in page.read_text()


CASE, CLAUSE = numbers_of(PASSING, "case")[0], numbers_of(PASSING, "clause")[0]
OTHERWISE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "clause level": ((CLAUSE, "level"), "upstream-tested"),
    "clause statement": ((CLAUSE, "statement"), "Anything goes."),
    "expected value": ((CASE, "expected", "output", "values"), [[1, 2], [3, 4]]),
    "nothing expected": ((CASE, "expected"), None),
    "call": ((CASE, "call", "options", "padding_idx"), 0),
    "reading": ((CASE, "pytorch"), "wraps"),
    "fingerprint": ((CASE, "fingerprint"), "0" * 16),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_one_suite_that_judges_in_two_ways_is_refused(tmp_path, name) -> None:
    """Two runs of one suite that judge a case differently are refused, and the case is named."""
    told = [
        {**line, "fingerprint": "1" * 16} if "fingerprint" in line else line for line in PASSING
    ]
    one = write(tmp_path / "one", told)
    two = write(tmp_path / "two", hostile.with_value(told, *OTHERWISE[name]))
    first = "clause EMB-LOOK-01" if name.startswith("clause") else f"case {PLAIN}-0"
    for command in (
        ("diff", one, two),
        ("merge", one, two, "--out", tmp_path / "out"),
        ("report", one, two, "--html", tmp_path / "x.html"),
    ):
        code, said = called(*command)
        assert code == 2, command
        assert f"the first is {first}" in said
    assert not (tmp_path / "out").exists()


def test_two_suites_are_compared_where_they_judge_alike(tmp_path) -> None:
    """`diff` leaves out cases that two suites judge differently, and counts them as changes."""
    one = write(tmp_path / "one", PASSING)
    other = hostile.with_value(PASSING, (0, "suite"), "fedcba9876543210")
    same = write(tmp_path / "same", other)
    assert called("diff", one, same)[0] == 0
    two = write(tmp_path / "two", hostile.with_value(other, *OTHERWISE["expected value"]))
    code, said = called("diff", one, two)
    assert code == 1
    assert "Judged otherwise, and not compared: 1" in said
    assert "0 of 6 results differ" in said


def test_older_records_have_no_fingerprints(tmp_path) -> None:
    """A record without fingerprints is compared by the other fields."""
    older = [{k: v for k, v in line.items() if k != "fingerprint"} for line in PASSING]
    folders = write(tmp_path / "older", older), write(tmp_path / "newer", PASSING)
    assert called("diff", *folders)[0] == 0


SPEC = """\
behaviour: A behaviour.
operation: embedding
cases:
- id: case
  clauses: [EMB-LOOK-01]
  inputs:
    weight: {dtype: float32, values: [[1], [2]]}
    indices: {dtype: int64, values: [0]}
  expect: {output: [[1]]}
"""
SPELLED = {
    "a comment": ("cases:", "# nothing\ncases:"),
    "other words": ("A behaviour.", "Another sentence."),
    "another spelling": ("[[1], [2]]", "[[1.0], [2e0]]"),
    "an empty line": ("operation:", "\noperation:"),
}
JUDGED = {
    "a value": ("output: [[1]]", "output: [[2]]"),
    "a weight": ("[[1], [2]]", "[[1], [3]]"),
    "an option": ("  expect", "  options: {padding_idx: 0}\n  expect"),
    "a tolerance": ("  expect", "  tolerance: {rtol: 0.5, reason: r}\n  expect"),
    "a dtype": ("float32", "float64"),
    "a clause": ("[EMB-LOOK-01]", "[EMB-LOOK-01, EMB-LOOK-02]"),
    "an id": ("id: case", "id: another"),
    "calling twice": ("  expect", "  again: true\n  expect"),
}


@pytest.mark.parametrize("name", [*SPELLED, *JUDGED])
def test_a_suite_is_identified_by_what_judges(tmp_path, name) -> None:
    """A suite's digest changes with all that is judged, but not with comments or spelling."""
    before, after = {**SPELLED, **JUDGED}[name]
    digests = []
    for folder, text in (("one", SPEC), ("two", SPEC.replace(before, after, 1))):
        file = tmp_path / folder / "own" / "spec.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        digests.append(suite_fingerprint([file]))
    assert (digests[0] == digests[1]) is (name in SPELLED)


def test_reading_holds_one_line_at_a_time(tmp_path) -> None:
    """A record is read line by line: 30 MB of equal results take less than 6 MB."""
    line = json.dumps({**PASSING[RESULTS[0]], "message": "x" * 100_000})
    text = text_of(PASSING[:-1]) + f"{line}\n".encode() * 300
    folder = write(tmp_path, text)
    tracemalloc.start()
    (run,) = read_runs(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run.results) == 308
    assert peak < 6e6


def test_a_record_names_no_program(tmp_path) -> None:
    """`audit` starts no program that a record names as a backend."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    script.chmod(0o755)
    address = json.dumps(f"x=numpy-reference:{script}")
    bad = json.loads(json.dumps(PASSING).replace('"zeta"', address))
    code, said = called("audit", write(tmp_path / "run", bad), "--out", tmp_path / "audit")
    assert code == 2
    assert "is no backend's id; name the backends with -b" in said
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "a\nb"])
def test_triage_writes_into_its_folder_only(tmp_path, name) -> None:
    """`triage` refuses a backend whose name cannot be a file name."""
    lines = json.loads(json.dumps(WHOLE).replace('"acme"', json.dumps(name)))
    folder = write(tmp_path / "run", lines)
    code, said = called("triage", folder, "--out", tmp_path / "triage")
    assert code == 2, said
    assert "cannot name a file" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_candidate_is_a_comment_and_a_list(tmp_path) -> None:
    """A hostile case id cannot end the comment of a candidate file that contains it."""
    name = "embedding/x/'; touch y\ndeviations: []\n- '"
    lines = json.loads(json.dumps(WHOLE).replace(f"{PLAIN}-1", json.dumps(name)[1:-1]))
    folder = write(tmp_path / "run", lines)
    assert called("triage", folder, "--out", tmp_path / "triage")[0] == 0
    text = (tmp_path / "triage" / "acme.yaml").read_text()
    assert text.count("\ndeviations:") == 1
    assert all(
        not line or line.startswith(("#", "deviations:", "- cases:", "  "))
        for line in text.splitlines()
    )


TIMED = list(WHOLE[numbers_of(WHOLE, "run")[1] :])
"""The lines of the run of timings."""
BASELINES = {
    "how it was made": ((0, "settings"), {}, "does not say how it was made"),
    "a profile that is none": (
        (0, "settings"),
        {"profile": "x", "reference": "acme", "workloads": {}},
        "does not say how it was made",
    ),
    "its counts": ((len(TIMED) - 1, "counts"), {}, "is partial: its end counts 0 SAME"),
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_doctored_run_is_no_baseline(tmp_path, name) -> None:
    """`bench --against` refuses an incomplete baseline before it times anything."""
    *change, words = BASELINES[name]
    timed = hostile.with_value(TIMED, (0, "purpose"), "timing")
    folder = write(tmp_path / "base", hostile.with_value(timed, *change))
    code, said = called("bench", "--against", folder, "--out", tmp_path / "out")
    assert code == 2
    assert words in said


@pytest.mark.parametrize("inputs", [{}, {"lookups": "many"}, {"lookups": 0}])
def test_rounds_that_cannot_be_measured_are_not_resumed(tmp_path, inputs) -> None:
    """Rounds that cannot be measured are refused by --resume."""
    lines = hostile.with_value(TIMED[:-1], (1, "inputs"), inputs)
    (run,) = read_runs(write(tmp_path, lines))
    with pytest.raises(CannotResume, match=r"cannot be measured.*leave out --resume"):
        interrupted(tmp_path, run.header)


def test_a_run_of_own_specs_is_of_a_suite_of_its_own(tmp_path) -> None:
    """A run of named specs has the digest of those specs, and other digests are not merged."""
    texts = {
        "first": SPEC,
        "comment": SPEC.replace("cases:", "# nothing\ncases:"),
        "other": SPEC.replace("output: [[1]]", "output: [[2]]"),
    }
    headers = {}
    for name, text in texts.items():
        file = tmp_path / name / "own" / "spec.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        out = tmp_path / name
        embcheck("run", "-b", "numpy-reference", "--specs", file, "--out", out)
        headers[name] = read_runs(out)[0].header
    assert headers["first"].suite == headers["comment"].suite != headers["other"].suite
    assert headers["first"].settings["named_specs"] is True
    both = [tmp_path / "first", tmp_path / "comment"]
    assert called("merge", *both, "--out", tmp_path / "out")[0] == 0
    assert called("diff", *both)[0] == 0
    both[1] = tmp_path / "other"
    assert called("merge", *both, "--out", tmp_path / "out")[0] == 2
    assert "Judged otherwise, and not compared: 1" in called("diff", *both)[1]


def test_a_spec_is_loaded_with_its_digest() -> None:
    """Each case of a spec has its own fingerprint."""
    files = sorted((Path(__file__).parent.parent / "specs" / "embedding").glob("lookup.yaml"))
    digests = [case.fingerprint for file in files for case in load_spec(file).cases]
    assert len(digests) == len(set(digests)) > 1
