"""An error counts as the library's only if the library or its native code was entered."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.help import refusal_of
from embcheck.conformance.execution.inside.refusal import Refuser, refuser_of
from embcheck.conformance.execution.inside.tracking import Tracked, tracked, unread
from embcheck.conformance.execution.judging.judge import judge_refusal, judge_rejects
from embcheck.conformance.execution.judging.verdict import Outcome, Verdict
from embcheck.conformance.execution.protocol.answers import Rejected

torch = pytest.importorskip("torch")
F = torch.nn.functional

TABLE, INDEX, ARRAY = torch.ones(3, 2), torch.tensor([7]), np.ones((3, 2))


class Adapter:
    """A stand-in for an adapter class, whose module is this file."""


def refuse():
    """Raise an error of the adapter's own."""
    raise IndexError("out of range")


def ask_function():
    """Call a Python function of the library."""
    F.embedding(INDEX, TABLE)


def ask_native_function():
    """Call a native function of the library."""
    torch.embedding(TABLE, INDEX)


def ask_native_method():
    """Call a native method of a tensor."""
    TABLE.index_select(0, INDEX)


def ask_partial():
    """Call a native function of the library through functools.partial."""
    embed = functools.partial(torch.embedding, TABLE)
    embed(INDEX)


def subscript():
    """Use an operator of a tensor."""
    TABLE[INDEX]


def native_type_error():
    """Call a native function of the library with a wrong type."""
    torch.cat([TABLE, 5])


def mapped():
    """Let the library call the adapter, which calls the library."""
    torch.func.vmap(lambda index: F.embedding(index, TABLE, max_norm="x"))(INDEX[None])


def misspell():
    """Call a constructor of the library with too many arguments, which Python refuses."""
    torch.nn.Embedding(*range(20))


def misname():
    """Use a method that a tensor does not have."""
    TABLE.embed(INDEX)


def unpack():
    """Unpack a shape into the wrong number of names."""
    _rows, _columns, _depth = TABLE.shape


def index_a_shape():
    """Index a shape, a Python tuple, beyond its end."""
    TABLE.shape[5]


def use_numpy():
    """Call NumPy with an index out of bounds."""
    np.take(ARRAY, [7], axis=0)


def measure():
    """Call a Python function with a wrong type."""
    len(5)


LIBRARY = [
    *(ask_function, ask_native_function, ask_native_method, ask_partial),
    *(subscript, native_type_error, mapped),
]
OURS = [refuse, misspell, misname, unpack, index_a_shape, use_numpy, measure]


def refuser(action, **info):
    """Return who raised when an adapter of PyTorch does something."""
    adapted = BackendInfo(id="x", library="torch", version="1", **info)
    with pytest.raises(Exception) as caught:  # noqa: PT011  (whatever it is)
        action()
    return refuser_of(caught.value, adapted, Adapter.__module__)


@pytest.mark.parametrize("action", LIBRARY)
def test_below_a_call_into_the_library_it_is_the_librarys(action):
    """An error inside the library's Python or native code is the library's."""
    assert refuser(action) is Refuser.LIBRARY


@pytest.mark.parametrize("action", OURS)
def test_what_never_reached_the_library_is_the_adapters(action):
    """An error of the adapter's own lines, of Python or of NumPy is the adapter's."""
    assert refuser(action) is Refuser.ADAPTER


def test_a_status_that_is_returned_can_be_told_as_a_refusal():
    """An adapter of C functions can declare a returned status as the library's refusal."""

    def ask_by_status():
        raise refusal_of("torch", "lookup returned -1")

    def ask_another():
        raise refusal_of("elsewhere", "lookup returned -1")

    assert refuser(ask_by_status) is Refuser.LIBRARY
    assert refuser(ask_another) is Refuser.ADAPTER


def convert():
    """Raise an error of a converter from an error of the exporter."""
    try:
        F.embedding(INDEX, TABLE)
    except IndexError as error:
        namespace = {"__name__": "openvino.frontend", "error": error}
        exec("raise RuntimeError('could not be traced') from error", namespace)


def test_what_is_raised_from_an_exporters_error_is_the_exporters():
    """An error raised from an exporter's error counts as the exporter's."""
    modules = {"modules": ("openvino",), "exporters": ("torch",)}
    assert refuser(convert, **modules) is Refuser.EARLIER
    assert refuser(convert, modules=("openvino",)) is Refuser.LIBRARY


def circle():
    """Raise an error of the library's that is its own cause."""
    try:
        F.embedding(INDEX, TABLE)
    except IndexError as error:
        error.__cause__ = error
        raise


def test_causes_that_go_in_a_circle_are_followed_for_a_while():
    """A circle of causes does not stop the search for who raised."""
    assert refuser(circle) is Refuser.LIBRARY


@pytest.mark.parametrize("action", [use_numpy])
def test_numpys_errors_are_the_librarys_where_it_is_numpy(action):
    """NumPy's errors are the library's if the backend names NumPy among its modules."""
    assert refuser(action, modules=("numpy",)) is Refuser.LIBRARY


@pytest.mark.parametrize("action", [ask_function, ask_native_function, subscript])
def test_an_exporters_errors_are_of_an_earlier_stage(action):
    """An exporter's refusal belongs to an earlier stage than the library."""
    modules = {"modules": ("onnxruntime",), "exporters": ("torch",)}
    assert refuser(action, **modules) is Refuser.EARLIER


def test_an_option_that_is_not_read_is_known():
    """An option counts as read if its value was read, not only its name."""
    options = Tracked({"mode": "sum", "sparse": True, "norm_type": 1.0})
    assert "mode" in options
    assert sorted(options) == ["mode", "norm_type", "sparse"]
    assert options.unread == ["mode", "norm_type", "sparse"]
    assert (options["mode"], options.get("sparse")) == ("sum", True)
    assert options.unread == ["norm_type"]
    assert {**options}["norm_type"] == 1.0
    assert options.unread == []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"sparse": False, "padding_idx": None, "norm_type": 2.0}, []),
        (
            {"sparse": True, "padding_idx": 0, "norm_type": 2},
            ["norm_type", "padding_idx", "sparse"],
        ),
    ],
)
def test_an_option_that_has_its_default_need_not_be_read(options, names):
    """An option with its default value need not be read; 2 is not the same as 2.0."""
    inputs = {"weight": np.eye(2, dtype=np.float32), "indices": np.array([0])}
    assert unread(tracked(Call(Operation.EMBEDDING, inputs, options))) == names


@pytest.mark.parametrize(
    ("refuser", "invalid", "valid"),
    [
        (Refuser.LIBRARY, Outcome.PASSED, Outcome.FAILED),
        (Refuser.EARLIER, Outcome.REFUSED_EARLIER, Outcome.FAILED),
        (Refuser.ADAPTER, Outcome.UNSUPPORTED, Outcome.ERRORED),
    ],
)
def test_a_refusal_is_judged_by_who_refused(refuser, invalid, valid):
    """Only the library's refusal of an invalid call passes; an adapter's own error is errored."""
    refused = Rejected("IndexError", "out of range", refuser=refuser)
    assert judge_rejects(refused, Verdict(Outcome.PASSED)).outcome is invalid
    judged = judge_refusal(refused)
    assert judged is not None
    assert judged.outcome is valid
