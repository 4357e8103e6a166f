"""Arrays and options reach an adapter in the form that users of a library have them."""

from __future__ import annotations

import io
import sys
from itertools import accumulate

import ml_dtypes
import numpy as np
import pytest

from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.options import OPTIONS, options_of
from embcheck.conformance.execution.inside.tracking import tracked
from embcheck.conformance.execution.protocol import wire
from embcheck.conformance.execution.protocol.messages import describe_call, parse_call
from embcheck.conformance.smoke.misreadings import TRIED
from embcheck.conformance.suite.load import load_spec, spec_files

INPUTS = ("indices", "weight", "offsets", "per_sample_weights", "grad_output")
EMPTY = [(0,), (0, 3), (3, 0), (0, 0), (0, 2, 3), (2, 0, 3), (2, 3, 0)]
PLAIN = (bool, int, float, str, type(None))


def delivered(call):
    """Return a call as an adapter gets it, through the channel to its worker."""
    channel = io.BytesIO()
    wire.send(channel, {"call": describe_call(call)}, call.inputs, with_layouts=True)
    channel.seek(0)
    header, arrays = wire.receive(channel, sys.maxsize, with_layouts=True)
    return tracked(parse_call(header["call"], arrays))


def strides_in_pytorch(shape):
    """Return the strides, in elements, of a new tensor; an empty axis counts as one."""
    sizes = [max(size, 1) for size in shape[:0:-1]]
    return tuple(accumulate(sizes, int.__mul__, initial=1))[::-1]


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_an_empty_array_has_the_strides_that_a_tensor_has(shape):
    """An empty array has the strides of an empty tensor, in NumPy, DLPack and as a buffer."""
    sent = {name: np.zeros(shape, np.float32) for name in INPUTS}
    arrays = delivered(Call(Operation.EMBEDDING_BAG, sent)).inputs
    wanted = tuple(4 * step for step in strides_in_pytorch(shape))
    for name in INPUTS:
        array = arrays[name]
        assert (type(array), array.shape) == (np.ndarray, shape)
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.flags.c_contiguous
        for seen in (array, np.asarray(array), np.from_dlpack(array), np.ascontiguousarray(array)):
            assert seen.strides == wanted, name
        buffer = memoryview(array)
        assert (buffer.c_contiguous, buffer.readonly, buffer.shape) == (True, False, shape)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_pytorch_gives_these_strides(shape):
    """PyTorch gives empty tensors these strides, also if they come from NumPy or DLPack."""
    torch = pytest.importorskip("torch")
    assert torch.empty(shape).stride() == strides_in_pytorch(shape)
    sent = {"weight": np.zeros(shape, np.float32)}
    array = delivered(Call(Operation.EMBEDDING, sent)).inputs["weight"]
    assert torch.from_numpy(array).stride() == strides_in_pytorch(shape)
    assert torch.from_dlpack(array).stride() == strides_in_pytorch(shape)


def test_narrow_dtypes_are_those_of_ml_dtypes():
    """bfloat16 and float8 arrays have the dtypes of ml_dtypes."""
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        kind = getattr(ml_dtypes, name)
        for shape in ((2, 3), (0, 3)):
            sent = {"weight": np.ones(shape, kind)}
            got = delivered(Call(Operation.EMBEDDING, sent)).inputs["weight"]
            assert got.dtype == np.dtype(kind)
            assert got.dtype.type is kind


@pytest.mark.parametrize("operation", sorted(set(Operation) - {Operation.PROBE}))
def test_an_option_arrives_as_a_user_writes_it(operation):
    """Each value of an option arrives with its type, so that a bool stays a bool."""
    for option in options_of(operation):
        values = {*option.values, *TRIED.get(option.name, ()), option.default}
        for value in values:
            call = Call(operation, {}, {option.name: value})
            got = delivered(call).option(option.name)
            assert type(got) is type(value), (option.name, value)
            assert type(got) in PLAIN
            assert got == value


def test_the_suite_has_no_array_or_option_that_users_do_not_have():
    """All cases' arrays without a layout are plain, and all flags are booleans."""
    seen = set()
    for case in (case for path in spec_files(()) for case in load_spec(path).cases):
        if case.missing or case.large:
            continue
        sent = case.spec.call()
        if sent.operation is Operation.PROBE:
            continue
        got = delivered(sent)
        for name, source in case.spec.inputs.items():
            array = got.inputs[name]
            seen.add(source.layout)
            if source.layout == "contiguous":
                assert type(array) is np.ndarray, case.id
                flags = array.flags
                assert flags.writeable and flags.aligned and flags.c_contiguous, case.id  # noqa: PT018
                steps = tuple(array.itemsize * step for step in strides_in_pytorch(array.shape))
                assert array.ndim == 0 or array.strides == steps, case.id
        for name, value in sent.options.items():
            got_value = got.options[name]
            assert type(got_value) is type(value), (case.id, name)
            assert type(got_value) in PLAIN, (case.id, name)
            if OPTIONS[name].is_flag:
                assert type(got_value) is bool, (case.id, name)
    assert {"contiguous", "readonly", "mapped", "stepped"} <= seen
