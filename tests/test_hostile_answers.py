"""What a hostile adapter returns, and what it does to its worker, from the call to the record."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from commands import SMALL, environment
from embcheck_zoo import hostile_channel as hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.execution.client import BackendBroken, WorkerClient
from embcheck.conformance.execution.inside.attempt import (
    Failed,
    bring_home,
    checked,
    describe_failure,
)
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.answers import Answered, Crashed, Errored, Rejected
from embcheck.conformance.suite.arrays import DTYPES
from embcheck.conformance.suite.layouts import LAYOUTS, memory_of

TABLE = np.float32([[1, 2], [3, 4], [5, 6]])
LOOKUP = Call(Operation.EMBEDDING, {"weight": TABLE, "indices": np.array([2, 0])})
HOT = {"output": np.array([[1, 0, 0], [0, 0, 1]])}


def travelled(array: np.ndarray, *, with_layouts: bool) -> np.ndarray:
    """Send an array through a channel and return it as received."""
    channel = io.BytesIO()
    wire.send(channel, {}, {"a": array}, with_layouts=with_layouts)
    channel.seek(0)
    return wire.receive(channel, sys.maxsize, with_layouts=with_layouts)[1]["a"]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Draw an array of any dtype, shape, layout and bytes, including all kinds of NaN."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    count = int(np.prod(shape)) * dtype.itemsize
    data = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), np.uint8)
    values = (data & 1).astype(bool) if dtype.kind == "b" else data.view(dtype)
    values = values.reshape(shape)
    name = draw(st.sampled_from([*LAYOUTS, "broadcast", "window", "turned"]))
    if name == "broadcast":
        return np.broadcast_to(values, (draw(st.integers(0, 3)), *shape))
    if name == "window":
        return np.concatenate([values, values])[1:-1:2] if shape else values
    if name == "turned":
        return values.T[..., ::-1] if shape else values
    if name == "expanded" and values.ndim and values.size:
        values = np.repeat(values[:1], len(values), axis=0)
    return LAYOUTS[name](values)


@given(array=arrays(), with_layouts=st.booleans())
@settings(max_examples=300, deadline=None, database=None, derandomize=True)
def test_every_array_arrives_bit_for_bit(array, with_layouts):
    """Arrays of any dtype, shape and layout arrive unchanged, in both directions."""
    sent = array if with_layouts else checked({"a": array})["a"]
    got = travelled(sent, with_layouts=with_layouts)
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert got.tobytes() == array.tobytes()
    if not with_layouts:
        assert got.flags.c_contiguous
        assert got.flags.writeable
    elif array.size:
        assert memory_of(got).strides == array.strides


def test_the_same_row_thrice_arrives_thrice():
    """An answer with a stride of 0 is sent as the values it shows, and not as the memory behind."""
    thrice = np.broadcast_to(np.float32([1, 2]), (3, 2))
    assert travelled(thrice, with_layouts=False).tolist() == [[1, 2]] * 3
    rows = np.float32([[1, 1, 1], [99, 99, 99]])
    hidden = np.lib.stride_tricks.as_strided(rows, strides=(0, 4))
    assert travelled(hidden, with_layouts=False).tolist() == [[1, 1, 1]] * 2


HANDED_OVER = {
    "lying_subclass": None,
    "matrix": None,
    "masked": "'output' with a mask",
    "all_masked": "'output' with a mask",
    "big_endian": "'output' in foreign byte order: >i8",
    "structured": "'output' with dtype \\[\\('a', '<i4'\\)",
    "void_with_a_plain_name": "'output' with dtype \\|V8",
    "objects": "'output' with dtype object",
    "texts": "'output' with dtype <U21",
    "dates": "'output' with dtype datetime64\\[ns\\]",
    "endless_mapping": "more than 64 names",
    "mapping_of_another_length": "a mapping whose names change from look to look",
    "changing_mapping": "a mapping whose names change from look to look",
    "mapping_with_a_name_twice": "a mapping with a name twice",
    "a_million_names": "more than 64 names",
    "name_of_a_megabyte": "a name of 1,048,576 characters",
    "name_that_is_none": "a name that is no str, but int",
    "lying_name": None,
    "no_mapping": "a list, not a mapping of arrays",
}


@pytest.mark.parametrize("name", HANDED_OVER)
def test_what_is_handed_over_is_its_memory_or_is_refused(name):
    """An answer is sent as plain arrays, or refused as the adapter's fault with the reason."""
    words = HANDED_OVER[name]
    given_ = hostile.ATTACKS[name](HOT)
    if words is not None:
        with pytest.raises(TypeError, match=words):
            checked(given_)
        with pytest.raises(Failed) as failed:
            bring_home(lambda answer: answer, given_, {"seconds": 0.5})
        header = failed.value.header
        assert (header["status"], header["exception"]) == ("errored", "TypeError")
        assert header["seconds"] == 0.5
        return
    plain = checked(given_)
    assert all(type(key) is str and type(array) is np.ndarray for key, array in plain.items())
    got = travelled(plain["output"], with_layouts=False)
    assert (got.dtype, got.tolist()) == (np.int64, HOT["output"].tolist())


@pytest.mark.parametrize("dtype", ["V3", "S2", "U1", "O", "m8[s]", "M8[D]", "longdouble", ">f4"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_no_other_dtype_is_taken(dtype, shape):
    """Arrays of objects, dates, texts or foreign byte order are refused, also empty ones."""
    with pytest.raises(TypeError, match="to_numpy returned 'a' "):
        checked({"a": np.zeros(shape, dtype)})


@pytest.mark.parametrize("name", [n for n in hostile.ATTACKS if n.startswith("error_")])
def test_any_error_can_be_told(name):
    """Any exception is described in a short reply, even if its text exits, lies or has 15 MB."""
    with pytest.raises(Exception) as raised:  # noqa: PT011  (each is of another type)
        hostile.ATTACKS[name](HOT)
    told = describe_failure("rejected", "call", raised.value)
    text = json.dumps(told)
    assert len(text) < 5000
    assert all(type(value) is str for value in told.values())
    if name == "error_of_fifteen_megabytes":
        assert told["message"].endswith("... (15,000,000 characters, cut)")
        assert told["exception"].endswith("... (5,000,000 characters, cut)")


@pytest.fixture(scope="module")
def client():
    """Yield one client for all attacks; a worker that an attack spoils is replaced by a fork."""
    worker = WorkerClient("zoo-hostile-channel", timeout=10)
    yield worker
    worker.close()


def is_right(answer: object) -> bool:
    """Whether an answer to LOOKUP is right."""
    right = isinstance(answer, Answered) and np.array_equal(answer.arrays["output"], TABLE[[2, 0]])
    return bool(right)


TWIN = "a child that was forked in the call returned from it too"
IN_CALLS = {
    "lying_subclass": None,
    "stride_of_zero": None,
    "masked": "with a mask",
    "endless_array": "an answer of 8,796,093,022,",
    "surrogate_in_a_name": None,
    "help_of_a_megabyte": None,
    "help_that_is_a_number": "broke the protocol: the reply.helped should be a text, and is 5",
    "spoils_its_call": "the adapter replaced the options or the inputs of its call",
    "forks_and_both_return": TWIN,
    "forks_in_c_and_both_return": None,
    "forks_and_the_child_returns_later": None,
    "forks_a_child_that_answers_later": None,
    "forks_a_child_that_says_nothing": None,
    "writes_text_to_the_channel": "broke the protocol: a header of",
    "writes_a_byte_to_the_channel": "broke the protocol: a header that begins with",
    "writes_an_endless_header": "a header of 9223372036854775807 bytes",
    "forges_a_reply": "behind reply number \\d+ stands more than its end",
    "forges_the_next_reply": "the reply is number \\d+, number \\d+ was asked",
    "repeats_an_earlier_reply": "the reply is number 0, number \\d+ was asked",
    "forges_a_reply_and_its_end": None,
    "dies_in_a_frame": "ended with exit code 0",
    "writes_later": None,
    "little_recursion": None,
}


@pytest.mark.parametrize("name", IN_CALLS)
def test_an_attack_costs_its_own_case(name, client):
    """An attack affects its own call only; the next ones are answered rightly."""
    answer = client.ask(attack(name))
    words = IN_CALLS[name]
    if words is None:
        assert isinstance(answer, Answered)
    else:
        assert isinstance(answer, Errored | Crashed)
        assert re.search(words, answer.message), answer.message
    assert is_right(client.ask(LOOKUP))
    time.sleep(0.25 if "later" in name else 0)
    assert is_right(client.ask(LOOKUP))
    assert is_right(client.ask(LOOKUP))


def attack(name: str) -> Call:
    """Return the call that triggers an attack."""
    options = {"num_classes": hostile.number_of(name)}
    return Call(Operation.ONE_HOT, {"indices": np.array([0, 2])}, options)


HELD = [
    *("clock_of_nan", "clock_of_infinity", "clock_that_goes_back", "clock_of_text"),
    *("monotonic_clock", "json_dumps", "json_loads", "json_encoder", "json_iterencode"),
    *("json_decoder", "struct_pack", "struct_class", "os_write", "os_getpid"),
    *("ascontiguousarray", "numpy_array", "numpy_ndarray", "numpy_uint8", "stdout", "stderr"),
    *("print", "open", "Exception"),
]


@pytest.mark.parametrize("name", [name for name in hostile.ATTACKS if name.startswith("patches_")])
def test_what_is_patched_in_a_worker_changes_nothing_or_is_told(name, client):
    """A patched function has no effect, or it ends the worker with a reason."""
    answers = [client.ask(attack(name)), client.ask(LOOKUP), client.ask(LOOKUP)]
    if name.removeprefix("patches_") in HELD:
        assert isinstance(answers[0], Answered)
        assert is_right(answers[1])
        assert 0 < answers[1].seconds < 10
    for answer in answers:
        assert isinstance(answer, Answered | Errored | Crashed)
        assert isinstance(answer, Answered) or len(answer.message) > 20
    client.restart()
    assert is_right(client.ask(LOOKUP))


@pytest.mark.parametrize("name", ["forgets_all_modules", "patches_catch_warnings"])
def test_a_worker_that_was_spoilt_is_replaced(name, client):
    """If a worker fails in its own code, a fresh worker answers the request."""
    client.complaints.clear()
    client.ask(attack(name))
    assert is_right(client.ask(LOOKUP))
    assert any("a worker was replaced: the worker raised" in line for line in client.complaints)


def test_a_death_between_two_calls_is_told_of_neither(client):
    """A worker that dies between two calls is complained about, and blames neither call."""
    client.ask(attack("interrupts_later"))
    deadline = time.monotonic() + 20
    while psutil.pid_exists(client.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)
    assert is_right(client.ask(LOOKUP))
    complaint = client.complaints[-1]
    assert "between two requests" in complaint
    assert "KeyboardInterrupt" in complaint


def test_an_error_that_cannot_be_attributed_is_no_death(client):
    """An exception whose causes raise when they are read does not end the worker."""
    answer = client.ask(attack("error_with_lying_causes"))
    assert isinstance(answer, Errored | Rejected)
    assert is_right(client.ask(LOOKUP))


STARTS = {
    "dies_of_a_real_time_signal": "the process died of signal 35",
    "writes_text": "broke the protocol: a header of 8583909746840200520 bytes",
    "forges_a_hello": "the hello has no status that is known",
    "forks": TWIN,
    "raises_much": r"5,000,000 characters, cut\): x+",
    "raises_mute": "str\\(\\) raised SystemExit",
    "has_no_info": "the worker raised AttributeError",
    "has_nan_as_version": "sending info raised ValueError",
    "has_a_nested_version": "sending info raised RecursionError",
    "has_a_large_version": "an answer of 20,001,\\d+ bytes, which is too large",
    "lies_about_its_id": "its info says that it is numpy-reference",
}


@pytest.mark.parametrize("name", STARTS)
def test_what_a_worker_cannot_send_is_its_backends_fault(name):
    """A backend that is hostile at its import is broken, with the reason."""
    worker = WorkerClient("zoo-hostile-channel", environment={"ZOO_HOSTILE": name})
    try:
        with pytest.raises(BackendBroken, match=STARTS[name]) as problem:
            _ = worker.info
        assert len(str(problem.value)) < 6000
    finally:
        worker.close()


def test_a_child_that_leaves_an_import_is_no_fault():
    """A child process that an import starts is no fault; OpenVINO's telemetry starts one."""
    words = {"ZOO_HOSTILE": "forks_a_child_of_its_own"}
    worker = WorkerClient("zoo-hostile-channel", environment=words)
    try:
        assert is_right(worker.ask(LOOKUP))
    finally:
        worker.close()


SPEC = """\
behaviour: Attacks on the channel, and lookups between them.
cases:
- id: attack
  clauses: [OH-01]
  operation: one_hot
  matrix: {n: [NUMBERS]}
  inputs: {indices: {dtype: int64, values: [0, 2]}}
  options: {num_classes: $n}
  expect: {output: {shape: [2, $n]}}
- id: lookup
  clauses: [EMB-LOOK-01]
  operation: embedding
  matrix: {row: [0, 1, 2]}
  inputs: {weight: {dtype: float32, values: [[1, 2], [3, 4], [5, 6]]},
           indices: {dtype: int64, values: [$row]}}
  expect: {output: reference}
- id: infinite
  clauses: [EMB-LOOK-01]
  operation: embedding
  matrix: {value: [.inf, -.inf, .nan]}
  inputs: {weight: {dtype: float32, generator: full, value: $value, shape: [100, 4]},
           indices: {dtype: int64, values: [7]}}
  expect: {output: {generator: full, value: $value, shape: [1, 4]}}
"""
IN_RUNS = [
    *("forks_and_both_return", "forges_a_reply_and_its_end", "writes_text_to_the_channel"),
    *("patches_clock_of_nan", "patches_json_dumps", "patches_len", "lying_subclass"),
    *("help_that_is_a_number", "error_of_fifteen_megabytes", "dies_in_a_frame"),
    "forgets_all_modules",
]


def run(*words: object, hostile_start: str = "") -> tuple[int, str]:
    """Run `embcheck`, optionally with a backend that is hostile at its import."""
    done = subprocess.run(
        [sys.executable, "-m", "embcheck.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**environment(), "ZOO_HOSTILE": hostile_start},
    )
    said = done.stdout + done.stderr
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    return done.returncode, said


def refuse(word: str) -> None:
    """Refuse NaN and infinities, which are not JSON although Python reads them."""
    raise AssertionError(word)


def record(folder: Path) -> list[dict[str, object]]:
    """Return the lines of a record; each must be strict JSON."""
    lines = (folder / "results.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def results(folder: Path, backend: str) -> list[dict[str, object]]:
    """Return a backend's results from the record, without their times."""
    told = record(folder)
    assert told[-1]["type"] == "end"
    found = [one for one in told if one["type"] == "result" and one["backend"] == backend]
    return [{k: v for k, v in one.items() if "seconds" not in k} for one in found]


def test_a_hostile_backend_changes_no_result_of_another(tmp_path):
    """The reference's results beside a hostile backend are the same as without it."""
    numbers = ", ".join(str(hostile.number_of(name)) for name in IN_RUNS)
    spec = tmp_path / "attacks.yaml"
    spec.write_text(SPEC.replace("NUMBERS", numbers), "utf-8")
    both = ("-b", "numpy-reference", "-b", "zoo-hostile-channel", "--timeout", 20)
    assert run("check", spec)[0] == 0
    code, _ = run("run", *both[:2], "--specs", spec, "--out", tmp_path / "alone")
    assert code == 0
    alone = results(tmp_path / "alone", "numpy-reference")
    assert {one["outcome"] for one in alone} == {"passed"}
    code, said = run("run", *both, "--specs", spec, "--out", tmp_path / "both")
    assert code == 3
    assert results(tmp_path / "both", "numpy-reference") == alone
    theirs = results(tmp_path / "both", "zoo-hostile-channel")
    assert len(theirs) == len(alone)
    lookups = {one["outcome"] for one in theirs if "/attack[" not in str(one["case"])}
    assert lookups == {"passed"}
    assert "zoo-hostile-channel: a worker was replaced: " in " ".join(said.split())


@pytest.mark.parametrize(
    ("start", "outcome", "words"),
    [
        ("dies_of_a_real_time_signal", "errored", "died of signal 35"),
        ("patches_clock_of_nan", "passed", ""),
        ("has_a_nested_version", "errored", "RecursionError"),
    ],
)
def test_a_backend_that_is_hostile_at_its_import_ends_no_run(start, outcome, words, tmp_path):
    """A backend that is hostile at its import gets results with the reason; others get theirs."""
    both = ("-b", "zoo-hostile-channel", "-b", "numpy-reference")
    run("run", *both, "--specs", SMALL, "-k", "lookup", "--out", tmp_path, hostile_start=start)
    theirs = results(tmp_path, "zoo-hostile-channel")
    assert {one["outcome"] for one in theirs} == {outcome}
    assert all(words in str(one["message"]) for one in theirs)
    assert {one["outcome"] for one in results(tmp_path, "numpy-reference")} == {"passed"}


def test_a_clock_of_nan_ends_no_timing(tmp_path):
    """A clock patched to NaN gives no figure, and the other backends are timed."""
    both = ("-b", "numpy-reference", "-b", "zoo-hostile-channel")
    quick = ("--workload", "B1", "--seconds", "0.05", "--generations", "1", "--out", tmp_path)
    code, said = run("bench", *both, *quick, hostile_start="patches_clock_of_nan")
    assert code in (0, 3)
    timed = {one["backend"]: one for one in record(tmp_path) if one["type"] == "measurement"}
    assert timed["numpy-reference"]["ns_per_lookup"] > 0
    assert "zoo-hostile-channel" in said


def test_backends_lists_one_that_dies_of_any_signal():
    """`embcheck backends` lists a backend that dies, with the signal."""
    code, said = run("backends", "zoo-hostile-channel", hostile_start="dies_of_a_real_time_signal")
    assert code == 0
    assert "broken: the process died of signal 35" in said
