"""Invalid replies of a worker: each ends that worker, fails that request, and is described."""

from __future__ import annotations

import io
import json
import math
import random
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from embcheck_zoo import hostile_channel as hostile
from fake_worker import GOOD, INFO, NAME, fake, hello, lives_of, right, said
from hypothesis import given, settings
from hypothesis import strategies as st

from embcheck.backends.reference.numpy_reference import NumpyReference
from embcheck.conformance.execution.client import BackendBroken, BackendUnavailable
from embcheck.conformance.execution.inside.worker import Worker
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.answers import (
    ANSWERS,
    Answered,
    Crashed,
    Errored,
    TimedOut,
    death_of,
    parse_answer,
)
from embcheck.conformance.execution.protocol.messages import describe_info, parse_hello
from embcheck.conformance.records.environment import embcheck_version

VERSION = embcheck_version()
SOURCE = {"request": "source"}
SETTLE = {"request": "settle", "ids": []}
ARRAYS = {"output": np.arange(6, dtype=np.float32).reshape(2, 3), "flag": np.array(True)}
REPLY = said(7, {"status": "answered", "seconds": 0.5, "helped": ["pads"]}, ARRAYS)
NESTED = b'{"status":' + b"[" * 200_000


def header(text: str | bytes) -> bytes:
    """Return a frame with a header of this text and no arrays."""
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<q", len(data)) + data


def listing(entry: str) -> bytes:
    """Return a frame whose header lists one array."""
    return header(f'{{"number": 7, "arrays": [{entry}]}}')


BROKEN = {
    "nothing": (b"", "closed before a frame"),
    "half a length": (REPLY[:5], "closed in a frame"),
    "half a header": (REPLY[:40], "closed in a frame"),
    "half an array": (REPLY[:-20], "closed in an array"),
    "no end": (REPLY[:-8], "closed before a frame"),
    "half an end": (REPLY[:-1], "closed in a frame"),
    "another end": (REPLY[:-8] + struct.pack("<q", 6), "number 7 stands more than its end"),
    "a second reply": (REPLY[:-8] + REPLY, "number 7 stands more than its end"),
    "an earlier number": (said(6, {"status": "answered"}), "is number 6, number 7 was asked"),
    "a later number": (said(8, {"status": "answered"}), "is number 8, number 7 was asked"),
    "a number below 0": (said(-1, {"status": "answered"}), "is number -1, number 7 was asked"),
    "a number of text": (header('{"number": "7", "arrays": []}'), "has no number"),
    "a number of true": (header('{"number": true, "arrays": []}'), "has no number"),
    "a fraction as number": (header('{"number": 7.0, "arrays": []}'), "has no number"),
    "no number": (header('{"arrays": []}'), "has no number"),
    "a huge header": (struct.pack("<q", 9 * 10**18), "a header of 9000000000000000000 bytes"),
    "a header of 17 MiB": (struct.pack("<q", 17 * 2**20), "a header of 17825792 bytes"),
    "a header below 0": (struct.pack("<q", -1), "a header of -1 bytes"),
    "an empty header": (struct.pack("<q", 0), "a header of 0 bytes"),
    "text": (b"loading weights ... done\n", "a header of"),
    "a byte before": (b"\n" + REPLY, "a header that begins with"),
    "a list": (header("[]"), "a header that begins with b'\\['"),
    "no JSON": (header("{]"), "no JSON"),
    "no UTF-8": (header(b'{"\xff": 1}'), "no JSON"),
    "NaN": (header('{"seconds": NaN, "arrays": []}'), "NaN is no number"),
    "infinity": (header('{"seconds": -Infinity, "arrays": []}'), "Infinity is no number"),
    "5,000 digits": (header('{"a": 1' + "0" * 5000 + "}"), "no JSON"),
    "nested lists": (header(NESTED), "nests too deeply"),
    "nested objects": (header(b'{"a":' * 100_000), "nests too deeply"),
    "no arrays": (header("{}"), "no object with a list of arrays"),
    "arrays of null": (header('{"arrays": null}'), "no object with a list of arrays"),
    "an object of arrays": (header('{"arrays": {}}'), "no object with a list of arrays"),
    "an array of a number": (listing("5"), "an array without a name"),
    "an array without a name": (listing('{"dtype": "bool", "shape": []}'), "without a name"),
    "a name of a number": (listing('{"name": 5, "dtype": "bool", "shape": []}'), "without a name"),
    "no dtype": (listing('{"name": "a", "shape": []}'), "unknown dtype: NoneType"),
    "a dtype of objects": (listing('{"name": "a", "dtype": "O", "shape": []}'), "dtype: O"),
    "a dtype of a list": (listing('{"name": "a", "dtype": [], "shape": []}'), "dtype: list"),
    "no shape": (listing('{"name": "a", "dtype": "bool"}'), "not a shape: NoneType"),
    "a shape of text": (listing('{"name": "a", "dtype": "bool", "shape": "1"}'), "not a shape: 1"),
    "a size below 0": (listing('{"name": "a", "dtype": "bool", "shape": [-1]}'), "with -1"),
    "a size of true": (listing('{"name": "a", "dtype": "bool", "shape": [true]}'), "with True"),
    "a size of 1.5": (listing('{"name": "a", "dtype": "bool", "shape": [1.5]}'), "with 1.5"),
    "a size of 2**64": (
        listing('{"name": "a", "dtype": "bool", "shape": [18446744073709551616]}'),
        "with 18446744073709551616",
    ),
    "65 axes": (
        listing(f'{{"name": "a", "dtype": "bool", "shape": {[1] * 65}}}'),
        "not a shape: list",
    ),
    "100 bits of size": (
        listing(f'{{"name": "a", "dtype": "bool", "shape": {[2**50, 2**50]}}}'),
        "an array of 1267650600228229401496703205376 elements",
    ),
    "no elements of no possible shape": (
        listing(f'{{"name": "a", "dtype": "float64", "shape": {[0, 2**62, 2**62]}}}'),
        "no possible shape",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_frame_says_what_is_broken(kind):
    """Each invalid frame is refused with its own message, before memory is allocated for it."""
    data, words = BROKEN[kind]
    with pytest.raises(wire.Broken, match=words):
        wire.receive(io.BytesIO(data), number=7)


def test_arrays_may_not_share_a_name_nor_take_more_than_all_may():
    """Arrays must have different names, and the limit is on all of them together."""
    entry = '{"name": "a", "dtype": "uint8", "shape": [8]}'
    twice = listing(f"{entry}, {entry}") + bytes(16) + wire.end_of(7)
    with pytest.raises(wire.Broken, match="two arrays are called a"):
        wire.receive(io.BytesIO(twice), number=7)
    both = twice.replace(b'"a"', b'"b"', 1)
    assert wire.receive(io.BytesIO(both), 16, number=7)[1].keys() == {"a", "b"}
    with pytest.raises(wire.Broken, match="an array of 8 elements"):
        wire.receive(io.BytesIO(both), 15, number=7)


def is_told_soundly(data: bytes, request: str) -> bool:
    """Read bytes as a reply; return whether they are one. Raise nothing but Broken."""
    try:
        told, arrays = wire.receive(io.BytesIO(data), number=7)
        answer = parse_answer(told, arrays, {"request": request})
    except wire.Broken as broken:
        words = str(broken)
    else:
        words = ""
    if words:
        assert len(words) < 1000
        return False
    details = getattr(answer, "details", {})
    json.dumps([details, getattr(answer, "message", "")], allow_nan=False).encode()
    assert 0 <= getattr(answer, "seconds", 0.0) < math.inf
    for key in ("helped", "unread", "differing"):
        assert all(isinstance(line, str) for line in details.get(key, ()))
    for array in arrays.values():
        assert type(array) is np.ndarray
        array.tobytes()
    return True


def test_bytes_that_were_changed_on_the_way_are_a_reply_or_are_broken():
    """Randomly changed bytes of a reply are a valid reply or Broken, and nothing else."""
    chance = random.Random(0)
    for _ in range(1000):
        data = bytearray(REPLY)
        for _ in range(chance.choice([1, 1, 2, 5])):
            at, width = chance.randrange(len(data) + 1), chance.choice([1, 1, 2, 8, 40])
            noise = chance.randbytes(width)
            piece = chance.choice([b"", noise, bytes(data[at : at + width]), b"\n", b"[", b'"'])
            data[at : at + chance.choice([0, width])] = piece
        is_told_soundly(bytes(data), "ask")
    assert is_told_soundly(REPLY, "ask")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 2**63, 0, 1e308, -0.5])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["answered", "errored", "rejected", "\ud800", "x" * 10_000]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "status",
        "seconds",
        "helped",
        "unread",
        "differing",
        "message",
        "exception",
        "stage",
        "refuser",
        "late",
        "changed",
        "shapes",
        "dtypes",
        "modules",
        "script",
        "names",
        "state",
        "pools",
        "working_threads",
        "switches",
        "extra",
    ]
)


@given(
    request=st.sampled_from(sorted(ANSWERS)),
    status=st.sampled_from(["answered", "rejected", "errored", "unsupported", "exited"]),
    told=st.dictionaries(FIELDS, VALUES, max_size=4),
)
@settings(max_examples=200, deadline=None, database=None, derandomize=True)
def test_any_header_is_an_answer_or_is_broken(request, status, told):
    """A header with fields of any type is an answer that can be recorded, or Broken."""
    failure = {} if status == "answered" else {"exception": "E", "message": "m"}
    whole = {"status": status, **failure, **told, "number": 7, "arrays": []}
    is_told_soundly(header(json.dumps(whole)) + wire.end_of(7), request)


_CLOCKS = ["seconds", "cpu_seconds", "idle_seconds", "idle_cpu_seconds", "background_seconds"]
_READINGS = ["begun", "ended", "cpu_begun", "cpu_ended"]
TIME = dict.fromkeys([*_CLOCKS, *_READINGS, "untimed_cpu_seconds", "switches"], 1)
WRONG_FIELDS = [
    ("ask", {"seconds": "1"}, "reply.seconds should be a number, and is a text"),
    ("ask", {"seconds": None}, "reply.seconds should be a number, and is null"),
    ("ask", {"seconds": True}, "reply.seconds should be a number, and is true"),
    ("ask", {"seconds": -1}, "reply.seconds should be a number of seconds, and is -1"),
    ("ask", {"seconds": 10**400}, "reply.seconds should be a number, and is 1000"),
    ("ask", {"seconds": 1e300}, "reply.seconds should be a number, and is 1e"),
    ("ask", {"seconds": [1]}, "reply.seconds should be a number, and is a list"),
    ("ask", {}, "reply lacks seconds"),
    ("ask", {"seconds": 1, "helped": 5}, "reply.helped should be a list, and is 5"),
    ("ask", {"seconds": 1, "helped": "pads"}, "reply.helped should be a list, and is a text"),
    ("ask", {"seconds": 1, "helped": [5]}, "reply.helped should be a text, and is 5"),
    ("ask", {"seconds": 1, "unread": [["a"]]}, "reply.unread should be a text, and is a list"),
    ("ask", {"seconds": 1, "differing": {}}, "reply.differing should be a list"),
    ("ask", {"seconds": 1, "unchanged": "a"}, "reply.unchanged should be a list"),
    (
        "ask",
        {"seconds": 1, "unchanged": ["weight_after"]},
        "'weight_after' is said to be unchanged",
    ),
    ("ask", {"seconds": 1, "more": 1}, "reply has a field that is unknown: more"),
    ("time", {**TIME, "seconds": None}, "reply.seconds should be a number, and is null"),
    ("time", {**TIME, "switches": 0.5}, "reply.switches should be a count, and is 0.5"),
    ("time", {"seconds": 1}, "reply lacks background_seconds"),
    ("look_at_bytes", {"changed": -1, "calls": 5}, "reply.changed should be a count"),
    ("poison", {"overwritten": [], "remembered": "no"}, "remembered should be true or false"),
    ("origin", {"modules": [{"module": 5}]}, "reply.modules lacks doc"),
    ("device", {"device_seconds": [], "state": 5}, "reply.state should be an object"),
    ("threads", {"pools": [], "threads_by_name": {}, "working_threads": 1}, "reply.pools should"),
    ("store", {"seconds": 1}, "reply has a field that is unknown: seconds"),
]


@pytest.mark.parametrize(("request_", "told", "words"), WRONG_FIELDS)
def test_a_field_of_another_type_is_named(request_, told, words):
    """The message names the wrong field of a reply, what it should be, and what it is."""
    with pytest.raises(wire.Broken, match=words):
        parse_answer({"status": "answered", **told}, {}, {"request": request_})


def test_an_input_is_unchanged_or_comes_home():
    """A reply may call an input unchanged only if it was given and is not sent as well."""
    given = {"weight": np.ones(2), "indices": np.arange(2)}
    told = {"status": "answered", "seconds": 1, "unchanged": ["weight_after"]}
    answer = parse_answer(told, {"indices_after": np.zeros(2)}, inputs=given)
    assert isinstance(answer, Answered)
    assert answer.arrays["weight_after"] is given["weight"]
    assert not answer.arrays["indices_after"].any()
    for came in (
        {"weight_after": np.zeros(2)},
        {"weight": np.zeros(2), "weight_after": np.ones(2)},
    ):
        with pytest.raises(wire.Broken, match="or came as well"):
            parse_answer(told, came, inputs=given)
    with pytest.raises(wire.Broken, match="was not given"):
        parse_answer({**told, "unchanged": ["weight"]}, {}, inputs=given)


@pytest.mark.parametrize("status", [None, 5, "ok", [], "ready"])
def test_a_status_must_be_known(status):
    """A reply or hello without a known status is refused."""
    with pytest.raises(wire.Broken, match="the reply has no status that is known"):
        parse_answer({"status": status}, {})
    with pytest.raises(wire.Broken, match="the hello has no status that is known"):
        parse_hello({"status": status if status != "ready" else "answered"}, NAME, VERSION)


WRONG_INFOS = [
    ({"id": "numpy-reference"}, "its info says that it is numpy-reference, it is announced as"),
    ({"id": None}, "info.id should be a text, and is null"),
    ({"library": 5}, "info.library should be a text"),
    ({"version": []}, "info.version should be a text, and is a list"),
    ({"device": {}}, "info.device should be a text, and is an object"),
    ({"operations": []}, "info.operations should be an object"),
    ({"operations": {"fly": {"provision": "native", "spelling": ""}}}, "'fly' is not a valid"),
    ({"operations": {"one_hot": {"provision": "lent", "spelling": ""}}}, "'lent' is not a valid"),
    ({"operations": {"one_hot": 5}}, "info.operations.one_hot should be an object, and is 5"),
    ({"capabilities": ["flight"]}, "'flight' is not a valid Capability"),
    ({"capabilities": [[]]}, "info.capabilities should be a text"),
    ({"fresh_worker_after_bad_index": 1}, "should be true or false, and is 1"),
    ({"survives_fork": None}, "info.survives_fork should be true or false, and is null"),
    ({"threads": 1.5}, "info.threads should be a count, and is 1.5"),
    ({"threads": -1}, "info.threads should be a count, and is -1"),
    ({"instructions": 5}, "info.instructions should be a text"),
    ({"made_from": []}, "info.made_from should be a text"),
    ({"modules": "numpy"}, "info.modules should be a list, and is a text"),
    ({"exporters": None}, "info.exporters should be a list, and is null"),
    ({"settings": {"a": 5}}, "info.settings.a should be a text, and is 5"),
    ({"more": 5}, "info has a field that is unknown: more"),
]


@pytest.mark.parametrize(("changed", "words"), WRONG_INFOS)
def test_an_info_is_checked_field_by_field(changed, words):
    """The info in a hello is checked against the types of BackendInfo and the announced name."""
    with pytest.raises(wire.Broken, match=words):
        parse_hello(hello(info={**describe_info(INFO), **changed}), NAME, VERSION)


@pytest.mark.parametrize("name", [n for n in hostile.STARTS if n.startswith("has_")])
def test_an_info_that_no_adapter_should_have_is_never_a_traceback(name, monkeypatch):
    """With any info of an adapter, the hello is refused or its texts are cut."""
    monkeypatch.delenv("ZOO_HOSTILE", raising=False)
    backend = hostile.HostileChannel()
    hostile.STARTS[name](backend)
    try:
        told = Worker(backend).hello(0.1)
        data = wire.head_of({**told, "number": 0}, {}) + wire.end_of(0)
    except (AttributeError, TypeError, ValueError, RecursionError):
        return  # A real worker reports it: `test_what_a_worker_cannot_send_is_its_backends_fault`.
    got, _ = wire.receive(io.BytesIO(data), number=0)
    try:
        read = parse_hello(got, "zoo-hostile-channel", VERSION)
    except wire.Broken:
        return
    assert name == "has_a_long_version"
    assert read.info is not None
    assert read.info.version.endswith("(2,000,000 characters, cut)")


@given(
    field=st.sampled_from(["status", "embcheck", "info", "import_seconds", "more"]),
    value=VALUES,
)
@settings(max_examples=100, deadline=None, database=None, derandomize=True)
def test_any_hello_is_read_or_is_broken(field, value):
    """A hello with any value in a field is read, or Broken."""
    try:
        read = parse_hello(hello(**{field: value}), NAME, VERSION)
    except wire.Broken:
        return
    assert 0 <= read.import_seconds < math.inf


@pytest.mark.parametrize("number", range(1, 65))
def test_a_death_has_a_name_by_any_signal(number):
    """A death by any signal is described, real-time signals by their number."""
    assert death_of(-number).startswith("the process died of ")
    assert death_of(-35) == "the process died of signal 35"
    assert death_of(-11) == "the process died of SIGSEGV"


HELLO, ONE = GOOD[0], right(1)
LIVES = {
    "text": ([HELLO, b"loading weights ... done\n" + ONE], "broke the protocol: a header of"),
    "a byte": ([HELLO, b"\n" + ONE], "broke the protocol: a header that begins with"),
    "a huge header": ([HELLO, struct.pack("<q", 9 * 10**18)], "header of 9000000000000000000"),
    "two replies": ([HELLO, ONE + ONE], "after reply number 1|behind reply number 1"),
    "bytes after": ([HELLO, ONE[:-8] + b"more"], None),
    "the next number": ([HELLO, right(2)], "the reply is number 2, number 1 was asked"),
    "the last number": ([HELLO, right(0)], "the reply is number 0, number 1 was asked"),
    "NaN": ([HELLO, said(1, b'{"status": NaN, "number": 1, "arrays": []}')], "NaN is no number"),
    "a nested header": ([HELLO, header(NESTED)], "nests too deeply"),
    "an unknown status": ([HELLO, said(1, {"status": "fine"})], "no status that is known"),
    "a missing field": ([HELLO, said(1, {"status": "unsupported"})], "the reply lacks exception"),
    "a death": ([HELLO, None], "the process ended with exit code 3"),
}


@pytest.mark.parametrize("kind", [kind for kind, (_, words) in LIVES.items() if words])
def test_a_broken_reply_costs_its_worker_and_its_request(kind, tmp_path):
    """A broken reply fails its request with a reason; a fresh worker answers the next one."""
    life, words = LIVES[kind]
    # After a reply with an earlier number a second worker is asked; here it breaks the same way.
    lives = [life, life, GOOD] if kind == "the last number" else [life, GOOD]
    client = fake(tmp_path, *lives)
    try:
        answer = client.request(SOURCE)
        if kind == "two replies" and isinstance(answer, Answered):
            assert "after reply number 1" in str(client.request(SOURCE)) + str(client.complaints)
            return
        assert isinstance(answer, Crashed if kind == "a death" else Errored)
        assert answer_says(answer, words)
        assert isinstance(client.request(SOURCE), Answered)
        assert lives_of(tmp_path) == len(lives)
    finally:
        client.close()


def answer_says(answer: Crashed | Errored, words: str) -> bool:
    """Whether an answer's message contains one of some texts, separated by `|`."""
    return any(each in answer.message for each in words.split("|"))


def test_a_reply_that_is_never_finished_is_a_time_out(tmp_path):
    """A worker that sends half a reply and goes on running is a time-out."""
    client = fake(tmp_path, [HELLO, ONE[:-8]], GOOD, timeout=0.3)
    try:
        assert isinstance(client.request(SOURCE), TimedOut)
        assert isinstance(client.request(SOURCE), Answered)
    finally:
        client.close()


@pytest.mark.parametrize("late", [right(1), b"done\n", right(1)[:20], b"\0"])
def test_what_comes_after_a_reply_does_not_hurt_the_next_request(late, tmp_path):
    """Bytes after a reply cost the worker only; a fresh one answers, with a complaint."""
    client = fake(tmp_path, [HELLO, ONE, right(2)], GOOD)
    try:
        assert isinstance(client.request(SOURCE), Answered)
        client._channel.replies._buffer += late  # As if it came after the first reply.
        assert isinstance(client.request(SOURCE), Answered)
        assert client.complaints == ["a worker was replaced: after reply number 1 it sent more"]
        assert lives_of(tmp_path) == 2
    finally:
        client.close()


def test_a_call_that_is_held_is_not_asked_of_another_worker(tmp_path):
    """A request about a held call fails if its worker is replaced, since no other holds it."""
    client = fake(tmp_path, [HELLO, ONE, right(2)], GOOD)
    try:
        assert isinstance(client.request(SOURCE), Answered)
        client._channel.replies._buffer += b"done\n"
        answer = client.request(SETTLE)
        assert answer == Errored("the worker broke the protocol: after reply number 1 it sent more")
        assert isinstance(client.request(SOURCE), Answered)
        assert lives_of(tmp_path) == 2
    finally:
        client.close()


def test_an_answer_to_an_earlier_request_does_not_hurt_the_next_one(tmp_path):
    """A late answer to an earlier request costs the worker only; a fresh one answers."""
    client = fake(tmp_path, [HELLO, ONE, right(1) + right(2)], GOOD)
    try:
        assert isinstance(client.request(SOURCE), Answered)
        assert isinstance(client.request(SOURCE), Answered)
        assert client.complaints == [
            "a worker was replaced: the reply is number 1, number 2 was asked"
        ]
    finally:
        client.close()


HELLOS = {
    "nothing, and a death": (None, "the process ended with exit code"),
    "text": (b"Hello, world! How are you?", "broke the protocol: a header of"),
    "no status": (said(0, hello(status=...)), "the hello has no status that is known"),
    "no info": (said(0, hello(info=...)), "the hello lacks info"),
    "no version": (said(0, hello(embcheck=...)), "the hello lacks embcheck"),
    "no seconds": (said(0, hello(import_seconds=...)), "the hello lacks import_seconds"),
    "an info of null": (said(0, hello(info=None)), "the info should be an object, and is null"),
    "seconds of text": (said(0, hello(import_seconds="1")), "import_seconds should be a number"),
    "seconds below 0": (said(0, hello(import_seconds=-1)), "should be a number of seconds"),
    "another number": (said(1, hello()), "the reply is number 1, number 0 was asked"),
    "two hellos": (HELLO[:-8] + HELLO, "behind reply number 0 stands more than its end"),
    "a nested hello": (header(NESTED), "nests too deeply"),
    "a hello of NaN": (said(0, b'{"status": NaN}'), "NaN is no number"),
    "a huge hello": (struct.pack("<q", 2**40), "a header of 1099511627776 bytes"),
    "arrays": (said(0, hello(), {"a": np.zeros(4)}), "an array of 4 elements"),
    "a lie": (
        said(0, hello(info={**describe_info(INFO), "id": "torch-eager"})),
        "it is torch-eager, it is announced as fake",
    ),
    "an older embcheck": (said(0, hello(embcheck="0.0.1")), "has embcheck 0.0.1"),
    "an error": (
        said(0, {"status": "errored", "stage": "import", "exception": "E", "message": "m"}),
        "E: m",
    ),
    "an error without words": (said(0, {"status": "errored"}), "the hello lacks exception"),
    "an absence": (said(0, {"status": "unavailable", "message": "no such device"}), "no such dev"),
}


@pytest.mark.parametrize("kind", HELLOS)
def test_a_broken_hello_is_its_backends_fault(kind, tmp_path):
    """A backend whose hello is invalid is broken, with the reason."""
    first, words = HELLOS[kind]
    client = fake(tmp_path, [b"" if first is None else first, *([] if first else [None])])
    if first is None:
        Path(tmp_path, "python").write_text("#!/bin/sh\nexit 3\n", "utf-8")
    kind_of = BackendUnavailable if kind == "an absence" else BackendBroken
    try:
        with pytest.raises(kind_of, match=words) as problem:
            _ = client.info
        assert len(str(problem.value)) < 1000
    finally:
        client.close()


def test_a_hello_that_never_comes_is_waited_for_no_longer_than_is_said(tmp_path):
    """A worker that begins a hello and hangs is broken once the timeout is over."""
    client = fake(tmp_path, [HELLO[:30]], timeout=0.3)
    started = time.monotonic()
    try:
        with pytest.raises(BackendBroken, match=r"said nothing in 0\.3 s while importing fake"):
            _ = client.info
        assert time.monotonic() - started < 5
    finally:
        client.close()


def test_the_fake_is_fair(tmp_path):
    """A fake worker without faults causes no complaint and no restart."""
    client = fake(tmp_path, GOOD)
    try:
        assert client.info == INFO
        assert all(isinstance(client.request(SOURCE), Answered) for _ in range(5))
        assert (client.complaints, lives_of(tmp_path)) == ([], 1)
    finally:
        client.close()
    assert NumpyReference().info.id != NAME
