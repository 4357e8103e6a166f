"""Backends that lie to the harness, or break what it listens to: each in the calls that say so.

A call of one_hot with `num_classes` of `FIRST` or more asks for the attack of that number; all
other calls are answered like the reference. With a name in the variable ZOO_HOSTILE, the attack is
made while the backend is imported.
"""

# ruff: noqa: ARG001, ARG005, D103  (an attack's name says what it does, to whatever it is given)

from __future__ import annotations

import builtins
import ctypes
import gc
import json
import os
import signal
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.help import helps
from embcheck_zoo.base import Correct

FIRST = 1000
Answer = dict[str, np.ndarray]
Attack = Callable[[Answer], Any]
ATTACKS: dict[str, Attack] = {}
"""By name: each is given the correct answer, and returns what the backend answers."""


def attack(function: Attack) -> Attack:
    """List an attack."""
    ATTACKS[function.__name__] = function
    return function


def number_of(name: str) -> int:
    """Return the `num_classes` that asks for an attack."""
    return FIRST + list(ATTACKS).index(name)


# What lies in the answer.


class LyingShape(np.ndarray):
    """Says of itself what is not so."""

    shape = property(lambda self: (7, 7))  # type: ignore[assignment]
    strides = property(lambda self: (0, 0))  # type: ignore[assignment]
    dtype = property(lambda self: np.dtype("float64"))  # type: ignore[assignment]
    nbytes = property(lambda self: 3)  # type: ignore[assignment]
    flags = property(lambda self: None)  # type: ignore[assignment]
    size = property(lambda self: 10**12)  # type: ignore[assignment]

    def astype(self, *args: Any, **options: Any) -> Any:
        return "nothing"

    reshape = tobytes = view = copy = ravel = __array__ = __len__ = astype  # type: ignore[assignment]

    def __array_finalize__(self, other: Any) -> None:
        if gc.isenabled() and other is not None and type(other) is LyingShape:
            raise RuntimeError("may not be looked at")


@attack
def lying_subclass(answer: Answer) -> Any:
    return {name: np.ndarray.view(array, LyingShape) for name, array in answer.items()}


@attack
def matrix(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].view(np.matrix)}


@attack
def stride_of_zero(answer: Answer) -> Any:
    rows = answer["output"]
    return {**answer, "output": np.lib.stride_tricks.as_strided(rows, strides=(0, rows.itemsize))}


@attack
def masked(answer: Answer) -> Any:
    return {**answer, "output": np.ma.array(answer["output"], mask=answer["output"] > 0)}


@attack
def all_masked(answer: Answer) -> Any:
    return {**answer, "output": np.ma.masked_all(answer["output"].shape, np.int64)}


@attack
def big_endian(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].astype(">i8")}


@attack
def structured(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].view([("a", "i4"), ("b", "i4")])}


@attack
def void_with_a_plain_name(answer: Answer) -> Any:
    kind = type("int", (np.void,), {})
    return {**answer, "output": answer["output"].view(np.dtype((kind, 8)))}


@attack
def objects(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].astype(object)}


@attack
def texts(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].astype(str)}


@attack
def dates(answer: Answer) -> Any:
    return {**answer, "output": answer["output"].view("M8[ns]")}


@attack
def endless_array(answer: Answer) -> Any:
    return {**answer, "output": np.broadcast_to(np.int64(0), (2**40,))}


class Lying(Mapping[Any, Any]):
    """A mapping that has an answer, and lies about its names."""

    def __init__(self, answer: Answer, kind: str) -> None:
        self._answer, self._kind, self._reads = answer, kind, 0

    def __getitem__(self, name: Any) -> Any:
        return self._answer.get(name, np.zeros(1))

    def __len__(self) -> int:
        return 10**9 if self._kind == "length" else len(self._answer)

    def __iter__(self) -> Iterator[Any]:
        self._reads += 1
        if self._kind == "endless":
            while True:
                yield f"name {self._reads}"
                self._reads += 1
        yield from self._answer
        if self._kind == "changing":
            yield f"name {self._reads}"
        if self._kind == "twice":
            yield next(iter(self._answer))


class LyingText(str):
    """A name that is equal to all others, and is none when it is asked."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__

    def encode(self, *args: Any, **options: Any) -> Any:
        raise SystemExit(3)

    __str__ = __repr__ = __format__ = encode  # type: ignore[assignment]


@attack
def endless_mapping(answer: Answer) -> Any:
    return Lying(answer, "endless")


@attack
def mapping_of_another_length(answer: Answer) -> Any:
    return Lying(answer, "length")


@attack
def changing_mapping(answer: Answer) -> Any:
    return Lying(answer, "changing")


@attack
def mapping_with_a_name_twice(answer: Answer) -> Any:
    return Lying(answer, "twice")


@attack
def a_million_names(answer: Answer) -> Any:
    return {**answer, **dict.fromkeys(map(str, range(10**6)), np.zeros(1))}


@attack
def name_of_a_megabyte(answer: Answer) -> Any:
    return {**answer, "x" * 2**20: np.zeros(1)}


@attack
def lying_name(answer: Answer) -> Any:
    return {**answer, LyingText("more"): np.zeros(1)}


@attack
def name_that_is_none(answer: Answer) -> Any:
    return {**answer, 5: np.zeros(1)}


@attack
def surrogate_in_a_name(answer: Answer) -> Any:
    return {**answer, "\ud800": np.zeros(1)}


@attack
def no_mapping(answer: Answer) -> Any:
    return list(answer.items())


# What lies in an error, or in what is told beside the answer.


class Mute(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise SystemExit(3)


@attack
def error_that_exits_when_told(answer: Answer) -> Any:
    raise Mute


@attack
def error_with_a_lying_text(answer: Answer) -> Any:
    raise type("Lies", (Exception,), {"__str__": lambda self: LyingText("text")})


@attack
def error_of_fifteen_megabytes(answer: Answer) -> Any:
    raise type("N" * 5_000_000, (Exception,), {})("x" * 15_000_000)


@attack
def error_with_lying_causes(answer: Answer) -> Any:
    def lie(self: Any) -> Any:
        raise ValueError("not to be looked at")

    raise type("Lies", (Exception,), {"__traceback__": property(lie), "__cause__": property(lie)})


@attack
def error_with_a_lying_class(answer: Answer) -> Any:
    class Meta(type):
        __name__ = property(lambda cls: 1 / 0)  # type: ignore[assignment]
        __module__ = 5  # type: ignore[assignment]

    raise Meta("Lies", (Exception,), {})("hello")


@attack
def help_that_is_a_number(answer: Answer) -> Any:
    helps(5)  # type: ignore[arg-type]
    return answer


@attack
def help_of_a_megabyte(answer: Answer) -> Any:
    helps("x" * 2**20)
    return answer


@attack
def interrupts_later(answer: Answer) -> Any:
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    return answer


@attack
def spoils_its_call(answer: Answer) -> Any:
    call = next(v for v in _values() if type(v) is Call and v.operation is Operation.ONE_HOT)
    object.__setattr__(call, "options", None)
    return answer


# What speaks in the worker's place.


def _values() -> Iterator[Any]:
    """Yield what the frames above hold."""
    frame = sys._getframe(1)
    while frame is not None:
        yield from frame.f_locals.values()
        frame = frame.f_back  # type: ignore[assignment]


def _number() -> int:
    headers = (v for v in _values() if isinstance(v, dict) and "request" in v and "number" in v)
    return int(next(headers)["number"])


def _descriptor() -> int:
    return int(sys.argv[3]) if len(sys.argv) > 3 else _forked_descriptor()


def _forked_descriptor() -> int:
    """Return the last pipe that a forked worker has, which is the one that it replies by."""
    links = {int(path.name): path for path in Path("/proc/self/fd").iterdir()}
    return max(n for n, path in links.items() if path.is_fifo())


def frame(header: Any, *, end: int | None = None) -> bytes:
    """Return a frame's bytes, with or without the number behind it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    behind = b"" if end is None else struct.pack("<q", end)
    return struct.pack("<q", len(text)) + text + behind


def _forged(number: int, *, ended: bool = False) -> bytes:
    header = {"status": "answered", "seconds": 0.0, "arrays": [], "number": number}
    return frame(header, end=number if ended else None)


@attack
def forks_and_both_return(answer: Answer) -> Any:
    os.fork()
    return answer


@attack
def forks_and_the_child_returns_later(answer: Answer) -> Any:
    if os.fork() == 0:
        time.sleep(0.3)
    return answer


@attack
def forks_in_c_and_both_return(answer: Answer) -> Any:
    ctypes.CDLL(None).fork()
    time.sleep(0.05)
    return answer


@attack
def forks_a_child_that_answers_later(answer: Answer) -> Any:
    number, copy = _number(), os.dup(_descriptor())
    if os.fork() == 0:
        time.sleep(0.2)
        os.write(copy, _forged(number, ended=True))
        os._exit(0)
    return answer


@attack
def forks_a_child_that_says_nothing(answer: Answer) -> Any:
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
    return answer


@attack
def writes_text_to_the_channel(answer: Answer) -> Any:
    os.write(_descriptor(), b"loading weights ... done\n")
    return answer


@attack
def writes_a_byte_to_the_channel(answer: Answer) -> Any:
    os.write(_descriptor(), b"\n")
    return answer


@attack
def writes_an_endless_header(answer: Answer) -> Any:
    os.write(_descriptor(), struct.pack("<q", 2**63 - 1))
    return answer


@attack
def forges_a_reply(answer: Answer) -> Any:
    os.write(_descriptor(), _forged(_number()))
    return answer


@attack
def forges_a_reply_and_its_end(answer: Answer) -> Any:
    os.write(_descriptor(), _forged(_number(), ended=True))
    return answer


@attack
def forges_the_next_reply(answer: Answer) -> Any:
    os.write(_descriptor(), _forged(_number() + 1, ended=True))
    return answer


@attack
def repeats_an_earlier_reply(answer: Answer) -> Any:
    os.write(_descriptor(), _forged(0, ended=True))
    return answer


@attack
def dies_in_a_frame(answer: Answer) -> Any:
    os.write(_descriptor(), struct.pack("<q", 100) + b'{"status"')
    os._exit(0)


@attack
def writes_later(answer: Answer) -> Any:
    descriptor = _descriptor()
    threading.Timer(0.05, os.write, (descriptor, b"done\n")).start()
    return answer


@attack
def turns_the_channel_away(answer: Answer) -> Any:
    os.dup2(os.open(os.devnull, os.O_WRONLY), _descriptor())
    return answer


# What spoils the functions that the worker needs.


def _nothing(*args: Any, **options: Any) -> None:
    return None


PATCHES: dict[str, tuple[Any, str, Any]] = {
    "clock_of_nan": (time, "perf_counter", lambda: float("nan")),
    "clock_of_infinity": (time, "perf_counter", lambda: float("inf")),
    "clock_that_goes_back": (time, "perf_counter", count(10**6, -1).__next__),
    "clock_of_text": (time, "perf_counter", lambda: "noon"),
    "monotonic_clock": (time, "monotonic", lambda: float("nan")),
    "json_dumps": (json, "dumps", lambda *_, **__: "{]"),
    "json_loads": (json, "loads", _nothing),
    "json_encoder": (json.JSONEncoder, "encode", lambda *_: "NaN"),
    "json_iterencode": (json.JSONEncoder, "iterencode", lambda *_, **__: ["NaN"]),
    "json_decoder": (json.JSONDecoder, "decode", _nothing),
    "struct_pack": (struct, "pack", lambda *_: b"x" * 8),
    "struct_class": (struct, "Struct", _nothing),
    "os_write": (os, "write", _nothing),
    "os_getpid": (os, "getpid", lambda: 1),
    "ascontiguousarray": (np, "ascontiguousarray", lambda *_: np.zeros(1)),
    "numpy_array": (np, "array", lambda *_: np.zeros(1)),
    "numpy_ndarray": (np, "ndarray", int),
    "numpy_dtype": (np, "dtype", _nothing),
    "numpy_uint8": (np, "uint8", np.float64),
    "stdout": (sys, "stdout", None),
    "stderr": (sys, "stderr", None),
    "catch_warnings": (warnings, "catch_warnings", _nothing),
    "len": (builtins, "len", lambda *_: 3),
    "isinstance": (builtins, "isinstance", lambda *_: False),
    "type": (builtins, "type", lambda *_: int),
    "dict": (builtins, "dict", _nothing),
    "list": (builtins, "list", lambda *_: []),
    "print": (builtins, "print", _nothing),
    "import": (builtins, "__import__", _nothing),
    "open": (builtins, "open", _nothing),
    "getattr": (builtins, "getattr", _nothing),
    "Exception": (builtins, "Exception", OSError),
}


def _patch(name: str) -> Attack:
    def make(answer: Answer) -> Any:
        owner, attribute, value = PATCHES[name]
        setattr(owner, attribute, value)
        return answer

    make.__name__ = f"patches_{name}"
    return make


for _name in PATCHES:
    attack(_patch(_name))


@attack
def little_recursion(answer: Answer) -> Any:
    sys.setrecursionlimit(len(list(_values())) + 5)
    return answer


@attack
def forgets_all_modules(answer: Answer) -> Any:
    sys.modules.clear()
    return answer


@attack
def spoils_the_worker_itself(answer: Answer) -> Any:
    module = sys.modules["embcheck.conformance.execution.protocol.wire"]
    for name in vars(module):
        if callable(vars(module)[name]):
            setattr(module, name, _nothing)
    return answer


# What is wrong with the backend before it is asked.


def _bad_info(**changed: Any) -> Callable[[HostileChannel], None]:
    def spoil(backend: HostileChannel) -> None:
        backend.info = replace(backend.info, **changed)

    return spoil


def _die(number: int) -> Callable[[Any], None]:
    return lambda _: os.kill(os.getpid(), number)


def _no_info(backend: HostileChannel) -> None:
    del backend.info


def _info_of_none(backend: HostileChannel) -> None:
    backend.info = None  # type: ignore[assignment]


def _endless() -> dict[str, Any]:
    nested: dict[str, Any] = {}
    inner = nested
    for _ in range(100_000):
        inner["x"] = {}
        inner = inner["x"]
    return nested


def _patch_at_import(name: str) -> Callable[[Any], None]:
    return lambda _: _patch(name)({})


STARTS: dict[str, Callable[[HostileChannel], Any]] = {
    "dies_of_a_real_time_signal": _die(int(signal.SIGRTMIN) + 1),
    "dies_of_the_last_signal": _die(int(signal.SIGRTMAX)),
    "dies_of_a_named_signal": _die(int(signal.SIGXCPU)),
    "writes_text": lambda _: os.write(_descriptor(), b"Hello, world! How are you?"),
    "forges_a_hello": lambda _: os.write(_descriptor(), frame({"arrays": [], "number": 0}, end=0)),
    "exits": lambda _: os._exit(7),
    "raises_an_exit": lambda _: sys.exit("done"),
    "raises_mute": lambda _: ATTACKS["error_that_exits_when_told"]({}),
    "raises_much": lambda _: ATTACKS["error_of_fifteen_megabytes"]({}),
    "forks": lambda _: os.fork(),
    "forks_a_child_of_its_own": lambda _: os.fork() or os._exit(0),
    "has_no_info": _no_info,
    "has_an_info_of_none": _info_of_none,
    "lies_about_its_id": _bad_info(id="numpy-reference"),
    "has_an_id_of_none": _bad_info(id=None),
    "has_a_number_as_version": _bad_info(version=1.0),
    "has_nan_as_version": _bad_info(version=float("nan")),
    "has_a_nested_version": _bad_info(version=_endless()),
    "has_a_large_version": _bad_info(version="x" * 20_000_000),
    "has_a_long_version": _bad_info(version="x" * 2_000_000),
    "has_unknown_operations": _bad_info(operations={"x": replace}),
    "has_operations_of_none": _bad_info(operations=None),
    "has_unknown_capabilities": _bad_info(capabilities=["flight"]),
    "has_threads_of_nan": _bad_info(threads=float("nan")),
    "has_a_count_of_threads_in_words": _bad_info(threads="many"),
    "has_a_flag_of_text": _bad_info(survives_fork="yes"),
    "has_settings_of_none": _bad_info(settings=None),
    "has_modules_of_numbers": _bad_info(modules=(5,)),
    **{f"patches_{name}": _patch_at_import(name) for name in PATCHES},
}


class HostileChannel(Correct):
    """Makes the attack that a call or the environment names."""

    def __init__(self) -> None:
        super().__init__()
        if name := os.environ.get("ZOO_HOSTILE"):
            STARTS[name](self)

    def answer(self, call: Call) -> Any:
        number = call.options.get("num_classes", -1)
        if call.operation is not Operation.ONE_HOT or number < FIRST:
            return self.correct(call)
        correct = self.correct(replace(call, options={"num_classes": 3}))
        return list(ATTACKS.values())[number - FIRST](correct)
