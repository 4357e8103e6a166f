"""Helpers of adapters that compose lookups: checks of a call, bounds of bags, and scripts.

Such an adapter has a few plain functions that use only NumPy and its library. The adapter runs
them, and a script shows their source.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from embcheck.conformance.contract.backend import Unsupported
from embcheck.conformance.contract.call import Call, Operation

BAG_OPTIONS = ("mode", "include_last_offset")

_FLATTENED = ("indices", "per_sample_weights")
"""The inputs that are matrices when each row is a bag."""

CUTS = "cuts rows behind the last offset before the bags are reduced"
"""What an adapter declares by `helps` if it does so for a call that `ends_early`."""


def expect_only(
    call: Call, library: str, options: Collection[str], observations: Collection[str]
) -> None:
    """Raise Unsupported for options and observations that a library has no spelling for."""
    # None and False ask for nothing, so a library need not have such an option.
    asked = [n for n, value in call.options.items() if value is not None and value is not False]
    lacking = [name for name in asked if name not in options]
    lacking += [name for name in call.observe if name not in observations]
    if lacking:
        raise Unsupported(f"{library} has no {lacking[0]}")


def expect_known(
    call: Call,
    library: str,
    options: Mapping[Operation, Collection[str]],
    observations: Collection[str],
) -> None:
    """Raise Unsupported as `expect_only` does, and for an operation that `options` lacks."""
    if call.operation not in options:
        raise Unsupported(f"{library} has no {call.operation}")
    expect_only(call, library, options[call.operation], observations)


def expect_mode(call: Call, modes: Collection[str]) -> str:
    """Return the mode of bags.

    Raises Unsupported for a mode that is not in `modes`, and for per-sample weights with a mode
    other than sum.
    """
    given = call.option("mode")
    mode = str(given)
    if mode not in modes:
        raise Unsupported(f"nothing to compose a bag of mode {given!r} from")
    if "per_sample_weights" in call.inputs and mode != "sum":
        raise Unsupported(f"no composition of per_sample_weights and mode {mode!r}")
    return mode


def ends_early(call: Call) -> bool:
    """Return whether a given last offset leaves indices behind it, which are then in no bag."""
    offsets = call.inputs.get("offsets")
    if offsets is None or not call.option("include_last_offset"):
        return False
    # Offsets of another shape, or none at all, are invalid: the library sees them as they are.
    is_list = offsets.ndim == 1 and offsets.size > 0
    return is_list and bool(offsets[-1] < call.inputs["indices"].size)


def expect_bounds(call: Call, *, for_matrices: bool = True) -> None:
    """Raise Unsupported for bags whose bounds cannot be computed.

    The rows of a matrix are bags, and a list of offsets gets the number of indices appended. For
    other ranks the error or result would come from NumPy or Python, not from the library. With
    `for_matrices=False`, bags without offsets may have any rank.
    """
    offsets = call.inputs.get("offsets")
    if offsets is None:
        if for_matrices and call.inputs["indices"].ndim != 2:
            raise Unsupported("bags without offsets are composed for the rows of a matrix only")
    elif offsets.ndim != 1 and not call.option("include_last_offset"):
        raise Unsupported("the number of indices is appended to a list of offsets only")


def bag_bounds(
    indices: np.ndarray, offsets: np.ndarray | None = None, include_last_offset: bool = False
) -> np.ndarray:
    """Return where each bag begins in the flat indices, and where the last one ends."""
    if offsets is None:
        starts: np.ndarray = np.arange(len(indices) + 1) * indices.shape[1]
        return starts
    return offsets if include_last_offset else np.append(offsets, len(indices))


def arguments(call: Call) -> dict[str, Any]:
    """Return the arguments for the function of a call; a matrix of bags becomes flat."""
    inputs, indices = call.inputs, call.inputs["indices"]
    if call.operation is Operation.ONE_HOT:
        return {"indices": indices, "num_classes": call.option("num_classes")}
    if not call.operation.is_bag:
        return {"weight": inputs["weight"], "indices": indices}
    ends_itself = bool(call.option("include_last_offset"))
    taken: dict[str, np.ndarray] = {
        "weight": inputs["weight"],
        "indices": indices,
        "bounds": bag_bounds(indices, inputs.get("offsets"), ends_itself),
    }
    if "per_sample_weights" in inputs:
        taken["per_sample_weights"] = inputs["per_sample_weights"]
    if "offsets" not in inputs:
        # The functions take bags as parts of a list only; the bounds say where a row ends.
        taken |= {n: array.ravel() for n, array in taken.items() if n in _FLATTENED}
    return taken


def script(call: Call, imports: str, function: Callable[..., Any]) -> str:
    """Write a function with all that it uses, and its call."""
    shown, taken, lines = [function], arguments(call), []
    if call.operation.is_bag:
        shown.insert(0, bag_bounds)
        ends_itself = bool(call.option("include_last_offset"))
        known = f", offsets, {ends_itself}" if "offsets" in call.inputs else ""
        lines.append(f"bounds = bag_bounds(indices{known})")
        # After the bounds, which are computed from the shape of the matrix.
        flat = [] if known else [name for name in _FLATTENED if name in taken]
        lines += [f"{name} = {name}.ravel()" for name in flat]
    values = [n if isinstance(v, np.ndarray) else f"{n}={v!r}" for n, v in taken.items()]
    lines.append(f"output = {function.__name__}({', '.join(values)})")
    if call.wants("weight_after"):
        lines.append("weight_after = weight")
    return "\n".join([imports, f"\n\n{source(*shown)}", "", *lines])


def source(*functions: Callable[..., Any]) -> str:
    """Return the source of functions, each after the functions of its module that it uses."""
    texts: dict[str, str] = {}
    for function in functions:
        _add(_plain(function), texts)
    return "\n\n\n".join(texts.values())


def _add(function: Any, texts: dict[str, str]) -> None:
    if function.__name__ in texts:
        return
    text = inspect.getsource(function).rstrip()
    names = [node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    for name in dict.fromkeys(names):
        used = _plain(function.__globals__.get(name))
        # Functions of other modules are the library's: a script imports them.
        if inspect.isfunction(used) and used.__module__ == function.__module__:
            _add(used, texts)
    texts[function.__name__] = text


def _plain(function: Any) -> Any:
    """Return the Python function from which a compiler made this object."""
    # Numba keeps that function as `py_func`, Triton as `fn`.
    return getattr(function, "py_func", getattr(function, "fn", function))
