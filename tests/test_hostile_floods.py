"""All text, arrays and files that a backend supplies are bounded, and marked where cut."""

from __future__ import annotations

import gc
import json
import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable, WorkerClient
from embcheck.conformance.execution.judging.shown import short
from embcheck.conformance.execution.judging.verdict import Kind, Outcome, Verdict, failure
from embcheck.conformance.execution.lookahead import Lookahead
from embcheck.conformance.execution.pool import describe_backend
from embcheck.conformance.execution.processes import scratch
from embcheck.conformance.execution.processes.limits import MIB, Limits
from embcheck.conformance.execution.processes.output import Output
from embcheck.conformance.execution.processes.scratch import Scratch
from embcheck.conformance.execution.protocol.answers import (
    Answered,
    Crashed,
    NotSupported,
    Rejected,
)
from embcheck.conformance.execution.protocol.bounded import (
    NAME,
    REPLY_TEXT,
    TEXT,
    WORDS,
    bounded,
    bounded_arrays,
    bounded_reply,
    safe,
)
from embcheck.conformance.execution.run_case import CaseResult, CaseRunner
from embcheck.conformance.records.describe import described, result_line
from embcheck.conformance.records.lines import to_json_data
from embcheck.conformance.suite.arrays import describe_array

TRIGGER = Call(Operation.ONE_HOT, {"indices": np.array([2])}, {}, ("output",))
LOOKUP = Call(
    Operation.EMBEDDING,
    {"weight": np.eye(3, dtype=np.float32), "indices": np.array([2])},
    {},
    ("output",),
)
LINE = 300_000
"""The most bytes that a line of a record may have, whatever a backend supplies."""


def worker(flood, **options):
    """Return a client of the backend that floods in this way when triggered."""
    environment = {"EMBCHECK_ZOO_FLOOD": flood}
    return WorkerClient("zoo-overflows", environment=environment, timeout=60, **options)


@pytest.fixture
def overflowing():
    """Yield a function that makes such clients; they are closed at the end."""
    made = []

    def make(flood, **options):
        made.append(worker(flood, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


LONG_TEXTS = (
    *("x" * 10**6, "\N{SNOWMAN}" * 10**5, "\x1b[31m" * 10**4, "a\nb" * 10**5, "\ud800" * 9999),
    *("\u202e" * 5000, "\0" * 5000, "\u2028\x85" * 5000),
)
REPLIES = {
    "message": {"message": "x" * 10**7},
    "exception": {"exception": "x" * 10**6},
    "status": {"status": "x" * 10**6},
    "a list of words": {"helped": [str(n) for n in range(10**5)]},
    "long words": {"unread": ["x" * 10**5] * 1000},
    "numbers": {"times": [1.0] * 10**6},
    "keys": {str(n): "x" for n in range(10**5)},
    "a key": {"x" * 10**6: 1},
    "a mapping": {"settings": {f"{n}": "y" * 10**4 for n in range(10**4)}},
    "mappings in lists": {"modules": [{"file": "x" * 10**5}] * 10**4},
    "lists in lists": {"message": [["x" * 10**5] * 100] * 100},
    "an extra key": {"surprise": "x" * 10**7},
    "many lists": {f"k{n}": ["x" * 4000] * 64 for n in range(100)},
}


@pytest.mark.parametrize("name", list(REPLIES))
def test_a_reply_is_cut(name):
    """A large reply of any structure is cut to a small one, and says so."""
    cut = bounded_reply(REPLIES[name])
    written = json.dumps(cut)
    assert len(written) < 3 * REPLY_TEXT
    assert "cut" in written or "more" in written or name in ("numbers", "keys")


def test_a_deep_reply_is_cut():
    """A deeply nested reply is cut."""
    deep = current = {}
    for _ in range(900):
        current["in"] = {}
        current = current["in"]
    assert "nested more deeply, cut" in json.dumps(bounded_reply({"info": deep}))


@pytest.mark.parametrize(
    "reply",
    [
        {"status": "answered", "seconds": 0.5, "helped": ["cuts rows"], "unread": []},
        {"status": "rejected", "exception": "IndexError", "message": "out of range"},
        {"script": "x = 1\n" * 10_000},
        {"block": [[1.0, 2.0]] * 1000, "pools": {"openblas": 2}},
        {"info": {"operations": {"embedding": {"provision": "native", "spelling": "f(x)"}}}},
    ],
)
def test_a_usual_reply_stays_as_it_is(reply):
    """An honest reply is not cut."""
    assert bounded_reply(reply) == reply


@pytest.mark.parametrize("text", LONG_TEXTS)
def test_a_text_is_cut_and_made_safe(text):
    """A long text is cut and tells its length, and control characters are escaped."""
    cut = safe(bounded(text))
    assert f"({len(text):,} characters, cut)" in cut
    assert all(each.isprintable() or each in "\n\t" for each in cut)
    cut.encode()


def test_arrays_of_an_answer_are_counted():
    """Only the first arrays of an answer are kept, under names of bounded length."""
    kept, left_out = bounded_arrays({f"{n}" + "x" * 999: None for n in range(1000)})
    assert (len(kept), left_out) == (WORDS, 1000 - WORDS)
    assert all(len(name) < 2 * NAME for name in kept)


@pytest.mark.parametrize(
    "shape",
    [(10**7, 0), (3, 10**6, 0), (10**6, 0, 5), (1000, 1000, 0, 7), (0,), (0, 10**7), (4, 0)],
)
def test_an_array_without_elements_is_described_in_a_line(shape):
    """The values of an empty array are left out if it has many rows."""
    told = describe_array(np.empty(shape))
    assert len(json.dumps(told)) < 200
    assert told["shape"] == list(shape)
    assert ("values" in told) == (shape in ((0,), (0, 10**7), (4, 0)))


@pytest.mark.parametrize("shape", [(7,) * 8, (2,) * 20, (1000, 1000), (1,) * 30, (0, 7), (13,)])
def test_an_array_is_shown_in_a_short_line(shape):
    """Arrays of any shape are shown in a short line."""
    assert len(short(np.zeros(shape, np.float32))) < 500


FLOODED_INFOS = (
    "version", "library", "settings", "setting-name", "made-from", "modules", "exporters",
    "spelling", "unavailable", "import-error", "import-class",
)  # fmt: skip


def test_what_a_backend_says_of_itself_is_bounded(overflowing):
    """Texts in a backend's info, or in the reason it has none, are bounded."""
    clients = {flood: overflowing(flood) for flood in FLOODED_INFOS}
    for client in clients.values():
        client.launch()
    for flood, client in clients.items():
        try:
            _ = client.info
            told = describe_backend(client.name, client)
        except (BackendBroken, BackendUnavailable) as problem:
            told = describe_backend(client.name, problem)
        written = json.dumps(told)
        assert len(written) < LINE, flood
        assert "cut)" in written or "more" in written, flood


@pytest.mark.parametrize(
    ("flood", "kind"),
    [
        ("message", Rejected),
        ("class-name", Rejected),
        ("exit-message", Crashed),
        ("unsupported", NotSupported),
    ],
)
def test_what_is_said_of_a_call_is_bounded(overflowing, flood, kind):
    """Messages and class names of 5 MB are cut, and the next call is answered."""
    client = overflowing(flood)
    answer = client.ask(TRIGGER)
    assert isinstance(answer, kind)
    said = " ".join(map(str, vars(answer).values()))
    assert len(said) < 2 * TEXT
    assert "cut)" in said
    assert isinstance(client.ask(LOOKUP), Answered)


def record_of(client, cases, name="one-hot"):
    """Run a case; return the result and its line of the record."""
    reference = WorkerClient("numpy-reference")
    try:
        ran = described(CaseRunner(client, reference).run(cases[name]))
    finally:
        reference.close()
    line = result_line(cases[name], "zoo", ran, ran.verdict, None)
    return ran, json.dumps(to_json_data(line))


@pytest.mark.parametrize(
    ("flood", "outcome"),
    [
        ("extra", Outcome.PASSED),
        ("extras", Outcome.ERRORED),
        ("extra-name", Outcome.ERRORED),
        ("empty-rows", Outcome.FAILED),
        ("many-axes", Outcome.FAILED),
        ("large-answer", Outcome.FAILED),
        ("help", Outcome.PASSED),
    ],
)
def test_the_record_of_a_flood_is_short(overflowing, cases, flood, outcome):
    """The record's line of a flooding answer is short, and keeps no arrays."""
    ran, line = record_of(overflowing(flood), cases)
    assert ran.verdict.outcome is outcome, ran.verdict
    assert len(line) < LINE
    assert not ran.verdict.observed


def test_wrong_answers_are_not_kept(cases):
    """Large wrong answers are not kept in memory while they wait to be recorded."""
    process, results = psutil.Process(), {}

    def run(case, backend, copy):
        del case, backend, copy
        array = np.ones(10 * MIB, np.float32)
        return described(CaseResult(failure(Kind.WRONG_VALUE, "wrong", {"output": array})))

    many = [(case, f"b{n}") for n in range(20) for case in [cases["lookup"]]]
    gc.collect()
    before = process.memory_info().rss
    ahead = Lookahead(many, run)
    for case, backend in many:
        results[backend] = ahead.result(case, backend)
    ahead.join()
    assert process.memory_info().rss - before < 150 * MIB
    assert results["b7"].described["output"]["shape"] == [10 * MIB]
    assert not ahead._results


def test_a_text_that_was_observed_is_cut():
    """An observed text is cut in the record."""
    text = np.full(21 * MIB, 120, np.uint8)
    ran = described(CaseResult(Verdict(Outcome.OBSERVED, observed={"made_text": text})))
    assert len(ran.described["made_text"]["text"]) < 2 * TEXT
    assert "bytes, cut" in ran.described["made_text"]["text"]


def test_output_is_counted_from_the_start_of_a_call(overflowing):
    """The limit on output counts from the start of each call, not over all calls."""
    client = overflowing("print-some", limits=Limits(output=64 * MIB))
    for _ in range(12):
        assert isinstance(client.ask(TRIGGER), Answered)
        time.sleep(0.02)
    assert client.printed_bytes == 12 * 20 * MIB


def test_output_is_dropped_without_a_hole(tmp_path):
    """The output file is emptied when it is cut, and its total size is still known."""
    output = Output(str(tmp_path))
    for _ in range(5):
        os.write(output.fileno(), b"x" * MIB)
        output.drop_old()
    os.write(output.fileno(), b"last")
    assert os.fstat(output.fileno()).st_size == 4
    assert output.printed_bytes == 5 * MIB + 4
    assert output.last_words().endswith("xlast")
    output.close()


@pytest.mark.parametrize(
    ("flood", "limits", "words"),
    [
        ("print-later", Limits(output=100 * MIB), "MiB in one call"),
        ("detach", Limits(memory=350 * MIB), "GiB of memory"),
        ("eat-later", Limits(memory=350 * MIB, is_timed=True), "GiB of memory"),
    ],
)
def test_between_calls_nothing_goes_unseen(overflowing, flood, limits, words):
    """Output and memory between calls are limited too; the next call is not blamed."""
    client = overflowing(flood, limits=limits)
    assert isinstance(client.ask(TRIGGER), Answered)
    family = family_of(client)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(client.pid) and time.monotonic() < deadline:
        family |= family_of(client)
        time.sleep(0.02)
    assert isinstance(client.ask(LOOKUP), Answered)  # It is not blamed.
    (complaint,) = client.complaints
    assert words in complaint
    assert not alive(family)


@pytest.mark.parametrize("flood", ["detach-and-wait", "child-eats"])
def test_the_memory_of_all_descendants_counts(overflowing, flood):
    """The memory limit includes processes that left their parent, session and group."""
    client = overflowing(flood, limits=Limits(memory=350 * MIB))
    started = time.monotonic()
    answer = client.ask(TRIGGER)
    assert isinstance(answer, Crashed)
    assert "GiB of memory, the limit is 0.3 GiB" in answer.message
    assert time.monotonic() - started < 30


def test_temporary_files_are_taken_away_between_calls(overflowing):
    """Temporary files are removed between calls, and no call crashes because of them."""
    client = overflowing("files", limits=Limits(files=160 * MIB))
    for _ in range(4):
        assert isinstance(client.ask(TRIGGER), Answered)
        time.sleep(0.7)  # The keeper looks twice a second.
        assert folder_bytes(client) <= 80 * MIB
    assert client.starts > 1


def test_temporary_files_without_end_are_a_crash(overflowing):
    """A call that writes more temporary files than the limit is a crash."""
    client = overflowing("files-without-end", limits=Limits(files=200 * MIB))
    answer = client.ask(TRIGGER)
    assert isinstance(answer, Crashed)
    assert "more than 0.2 GiB of temporary files" in answer.message
    assert isinstance(client.ask(LOOKUP), Answered)


def test_an_answer_has_a_most(overflowing):
    """An answer larger than the limit on all its arrays is a crash."""
    client = overflowing("large-answer", limits=Limits(answer=8 * MIB))
    answer = client.ask(TRIGGER)
    assert isinstance(answer, Crashed)
    assert "it answered with more than" in answer.message
    assert isinstance(client.ask(LOOKUP), Answered)


def folder_bytes(client):
    """Return the bytes in a client's temporary folder."""
    folder = Path(client._starter._scratch.name)
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def family_of(client):
    """Return the ids of all processes below a worker's keeper."""
    try:
        keeper = psutil.Process(client.pid).parent()
        return {process.pid for process in keeper.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def alive(pids):
    """Return which process ids still exist."""
    return {pid for pid in pids if psutil.pid_exists(pid)}


def test_who_takes_folders_away_is_replaced_where_it_is_killed():
    """A killed janitor is replaced, and the new one knows the earlier folders too."""
    first = Scratch()
    process = scratch._janitor._process
    process.kill()
    process.wait()
    second = Scratch()
    assert scratch._janitor._process.pid != process.pid
    assert {first.name, second.name} <= scratch._janitor._told.keys()
    first.cleanup()
    second.cleanup()
    assert not {first.name, second.name} & scratch._janitor._told.keys()
