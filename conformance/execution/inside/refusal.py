"""Who raised an error: the library, an earlier stage, or the adapter itself.

An error is the library's in three cases: frames of its modules stand below the adapter's in the
traceback, the adapter's last line calls native code of the library, or the error's type is the
library's. An error of NumPy or Python that the adapter called is the adapter's. So is Python's
error for arguments that do not fit a function: the library was never entered.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType, TracebackType
from typing import Any

from embcheck.conformance.contract.backend import BackendInfo
from embcheck.conformance.execution.protocol.answers import Refuser

_OURS = "embcheck"
_PLAIN = (tuple, list, dict, str, int)
"""Python's own types, also as a library's subclass: a tensor's shape is a tuple."""

_CAUSES = 10
"""How many causes of an error are followed, as they may form a cycle."""


def refuser_of(error: BaseException, info: BackendInfo, adapter: str) -> Refuser:
    """Return who raised an error that reached the worker from a backend.

    `adapter` is the module of the adapter's class. Code that is neither the adapter's nor named by
    `info`, such as a library that another one calls, counts as its caller's. An error that the
    library raises from an exporter's error is the exporter's.
    """
    refuser = _raiser_of(error, info, adapter)
    if refuser is Refuser.LIBRARY:
        raisers = (_raiser_of(cause, info, adapter) for cause in islice(_causes(error), _CAUSES))
        return Refuser.EARLIER if Refuser.EARLIER in raisers else refuser
    return refuser


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _raiser_of(error: BaseException, info: BackendInfo, adapter: str) -> Refuser:
    """Return whose frames stand last in an error's traceback."""
    library, package = info.refusers, adapter.partition(".")[0]
    refuser, last = Refuser.ADAPTER, None
    for trace in _traces(error.__traceback__):
        name = trace.tb_frame.f_globals.get("__name__") or ""
        last = None
        # Exporters first: they may be modules of the library itself.
        if is_within(name, info.exporters):
            refuser = Refuser.EARLIER
        elif is_within(name, library):
            refuser = Refuser.LIBRARY
        elif is_within(name, (package, _OURS)):
            refuser, last = Refuser.ADAPTER, trace
    if last is None:
        return refuser
    # Native code has no frames, so its error ends in the line of the adapter that called it.
    modules = set(_modules_entered(last, error)) | {type(error).__module__}
    if any(is_within(module, info.exporters) for module in modules):
        return Refuser.EARLIER
    if any(is_within(module, library) for module in modules):
        return Refuser.LIBRARY
    return Refuser.ADAPTER


def is_within(module: str, roots: Iterable[str]) -> bool:
    """Whether a module is one of the roots, or lies below one."""
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _modules_entered(trace: TracebackType, error: BaseException) -> Iterator[str]:
    """Name the modules of the objects in the failing expression of a frame.

    For a call, these are the modules of the called object, and none if Python itself refused the
    arguments. For any other expression, they are the modules of its operands' types.
    """
    expression = _failing(trace)
    if isinstance(expression, ast.Call):
        called = _value(expression.func, trace.tb_frame)
        if called is not None and not (isinstance(error, TypeError) and _is_python(called)):
            yield from _modules_of(called)
        return
    for operand in _operands(expression):
        value = _value(operand, trace.tb_frame)
        if value is not None and not isinstance(value, _PLAIN):
            yield type(value).__module__


def _failing(trace: TracebackType) -> ast.expr | None:
    """Return the expression that a frame failed in; None if it is a statement or unreadable."""
    code = trace.tb_frame.f_code
    # There is a position for each two-byte instruction. Columns count bytes of UTF-8.
    places = islice(code.co_positions(), trace.tb_lasti // 2, None)
    line, end, start, stop = next(places, (None, None, None, None))
    if line is None or end is None or start is None or stop is None:
        return None
    lines = [text.encode() for text in linecache.getlines(code.co_filename)[line - 1 : end]]
    if not lines:
        return None
    lines[-1] = lines[-1][:stop]  # The end first, as cutting the start shifts columns.
    lines[0] = lines[0][start:]
    try:  # In brackets, since the expression may span lines.
        return ast.parse(b"(" + b"".join(lines) + b"\n)", mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _operands(expression: ast.expr | None) -> list[ast.expr]:
    match expression:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.Subscript(value=value):
            return [value]
    return []


def _value(expression: ast.expr, frame: FrameType) -> Any:
    """Evaluate a name with attributes and constant keys; None for anything else."""
    match expression:
        case ast.Name(id=name):
            for names in (frame.f_locals, frame.f_globals, vars(builtins)):
                if name in names:
                    return names[name]
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, frame)
            try:
                return getattr(owner, name, None)
            except Exception:  # noqa: BLE001  (a property of the library's may raise anything)
                return None
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            owner = _value(inner, frame)
            return owner.get(key) if isinstance(owner, dict) else None
    return None


def _is_python(called: Any) -> bool:
    """Whether Python itself binds the arguments of a call, before any code of the callee runs."""
    if isinstance(called, functools.partial):
        return _is_python(called.func)
    if isinstance(called, type):
        return any(inspect.isfunction(getattr(called, name)) for name in ("__init__", "__new__"))
    return (
        inspect.isroutine(called)
        and not inspect.isbuiltin(called)
        and hasattr(getattr(called, "__func__", called), "__code__")
    )


def _modules_of(called: Any) -> Iterator[str]:
    """Name the modules that a callable may belong to: its own, its object's, its type's."""
    if isinstance(called, functools.partial):
        yield from _modules_of(called.func)
        return
    owner = getattr(called, "__self__", None)
    for part in (called, type(called), owner, type(owner)):
        name = getattr(part, "__module__", None)
        if isinstance(name, str) and name not in sys.stdlib_module_names:
            yield name
    if inspect.ismodule(owner):
        yield owner.__name__
