"""Make the reference page for authors of adapters, from the code of the contract.

`python -m embcheck.conformance.contract.reference` prints what is published as
`docs/adapter-reference.md`. A test compares the two.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np

from embcheck.conformance.contract import backend, cache, export_cache
from embcheck.conformance.contract.backend import BackendInfo, Provision, required_capabilities
from embcheck.conformance.contract.call import Call, Input, Observation, Operation
from embcheck.conformance.contract.capability import Capability
from embcheck.conformance.contract.help import helps, refusal_of
from embcheck.conformance.contract.options import OPTIONS, Option
from embcheck.conformance.suite.arrays import DTYPES
from embcheck.conformance.suite.load import load_spec, spec_files

TEXT = """\
# The adapter contract

What a call holds, and what an adapter says and answers. The [adapter guide](adapter-guide.md)
explains how to use it. This page is made from the code, by
`python -m embcheck.conformance.contract.reference > docs/adapter-reference.md`.

Names are imported from the modules of `embcheck.conformance.contract` that the headings name.
Names of operations, inputs, observations and capabilities are also text, in small letters:
`Operation.EMBEDDING == "embedding"`, and `call.inputs["indices"]` is the input `INDICES`.

## The call: `Call`, in `call`

{call}
## Operations: `Operation`, in `call`

{operations}
## Inputs: `Input`, in `call`

{inputs}
## Dtypes

Inputs have one of these dtypes, and so must answers: {plain},
and of the package `ml_dtypes`, {others}.

`import ml_dtypes` makes NumPy know the latter: `np.dtype("bfloat16")`, `array.dtype.name`. If a
library takes no such arrays, hand it the bits, `array.view(np.uint16)`, and take them home by
`bits.view(ml_dtypes.bfloat16)`; of types of one byte, `np.uint8`.

## Options: `Call.option(name)`

Values are Python's own types, though invalid calls may have others. If a call leaves an option out,
`call.option(name)` returns the default. An option without a default is in each call that has it.

{options}
## Observations: `Observation`, in `call`

{about_observations}
{observations}
## Capabilities: `Capability`, in `backend`

{about_capabilities}
{capabilities}
## Which operations they belong to

`x`: cases of the suite ask for this observation of this operation, or need this capability for it.

{belonging}
## What an adapter says of itself: `BackendInfo`, in `backend`

{info}
An operation is given as `Provided(provision, spelling)`. The spelling is a line of code as users
write it: `Provided(Provision.NATIVE, "jnp.take(weight, indices, axis=0)")`.

{provisions}
## The members of an adapter

Only those of `Backend` are required. The protocols stand in `backend`; an adapter need not inherit
from them.

{members}
Timings use these:

{timed}
## Functions and exceptions

{functions}"""

MEMBERS = (backend.Backend, backend.Scripted, backend.ImportingLate, backend.Exporting)
TIMED = (backend.Spelled, backend.OnDevice, backend.DeviceClock)
FUNCTIONS: Sequence[tuple[str, Callable[..., Any] | type]] = (
    ("backend", backend.inputs_after),
    ("backend", backend.Unsupported),
    ("backend", backend.Unavailable),
    ("help", helps),
    ("help", refusal_of),
    ("cache", cache.cache_folder),
    ("export_cache", export_cache.key_of),
    ("export_cache", export_cache.made_once),
    ("export_cache", export_cache.Refusal),
)


def page() -> str:
    """Return the page as Markdown. Raise LookupError for a name without a docstring."""
    return TEXT.format(
        call=_paragraphs(Call) + "\n" + "".join(_methods(Call)),
        operations=_table(Operation, "is") + "\n" + "".join(_methods(Operation)),
        inputs=f"{_paragraphs(Input)}\n{_table(Input, 'is')}",
        plain=_listed(name for name in DTYPES if not hasattr(ml_dtypes, name)),
        others=_listed(name for name in DTYPES if hasattr(ml_dtypes, name)),
        options=_options(),
        about_observations=_paragraphs(Observation),
        observations=_table(Observation, "is, in the answer", ("needs", _needed_by)),
        about_capabilities=_paragraphs(Capability),
        capabilities=_table(Capability, "means", ("a call needs it for", _uses_of)),
        belonging=_belonging(),
        info=_info(),
        provisions=_table(Provision, "means"),
        members="\n".join(map(_protocol, MEMBERS)),
        timed="\n".join(map(_protocol, TIMED)),
        functions="\n".join(_function(module, one) for module, one in FUNCTIONS),
    )


def documented(kind: type) -> dict[str, str]:
    """Map the attributes of a class to the docstrings below them.

    Raise LookupError for an attribute without one.
    """
    # From the source: Python does not keep a docstring that stands below an attribute.
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    found: dict[str, str] = {}
    for node, after in pairwise([*getattr(tree, "body"), ast.Pass()]):  # noqa: B009  (of any node)
        if isinstance(node, ast.Assign):
            (target,) = node.targets
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        else:
            continue
        name = ast.unparse(target)
        match after:
            case ast.Expr(ast.Constant(str(text))):
                found[name] = " ".join(text.split())
            case _:
                raise LookupError(f"{kind.__name__}.{name} has no docstring below it")
    return found


def _table(
    kind: type[StrEnum], heading: str, more: tuple[str, Callable[[Any], str]] | None = None
) -> str:
    """Return a table with a row for each member of an enum: its name and its docstring.

    `more` is the heading of a further column, and a function that gives a member's text in it.
    """
    told = documented(kind)
    rows = [
        [f"`{member.name}`", told[member.name], *([more[1](member)] if more else [])]
        for member in kind
    ]
    return _rows(["name", heading, *([more[0]] if more else [])], rows)


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Escape bars and stars, which Markdown would read as markup."""
    return text.replace("|", "\\|").replace("(*,", "(\\*,")


def _needed_by(observation: Observation) -> str:
    return _listed(_needs(observe=(observation,)))


def _uses_of(capability: Capability) -> str:
    """List the inputs, options and observations by which a call needs a capability."""
    # `required_capabilities` is asked for each of them, so that the page cannot contradict it.
    array = np.zeros(0)
    uses = {
        **{f"input `{name}`": _needs(inputs={name: array}) for name in Input},
        **{f"option `{o.name}`": _needs(options=_used(o)) for o in OPTIONS.values()},
        **{f"`{name}`": _needs(observe=(name,)) for name in Observation},
    }
    return ", ".join(use for use, needed in uses.items() if capability in needed)


def _belonging() -> str:
    """Return a table that marks in which operations the suite uses a name.

    There is a row for each observation and each capability.
    """
    asked: dict[str, set[Operation]] = {name: set() for name in (*Observation, *Capability)}
    cases = [case for path in spec_files() for case in load_spec(path).cases]
    for call in (call for case in cases for call in (*case.asked, *case.calls)):
        # A probe's observations have names of their own, and only PyTorch's adapters answer them.
        if call.operation is Operation.PROBE:
            continue
        observed = map(Observation, (*call.observe, Observation.INPUTS_AFTER))
        for name in (*observed, *required_capabilities(call.outline())):
            asked[name].add(call.operation)
    operations = [one for one in Operation if one is not Operation.PROBE]
    rows = [
        [f"`{name.name}`", *("x" if one in asked[name] else "" for one in operations)]
        for kind in (Observation, Capability)
        for name in kind
    ]
    return _rows(["name", *(f"`{one.name}`" for one in operations)], rows)


def _used(option: Option) -> dict[str, Any]:
    return {option.name: option.others[0]} if option.others else {}


def _needs(**given: Any) -> list[Capability]:
    return required_capabilities(Call(Operation.EMBEDDING, **{"inputs": {}, **given}))


def _options() -> str:
    rows = [
        [
            f"`{option.name}`",
            option.meaning,
            "" if option.default is None else f"`{option.default!r}`",
            _operations(option.operations),
            ", ".join(f"`{value!r}`" for value in option.values),
        ]
        for option in OPTIONS.values()
    ]
    return _rows(["name", "is", "default", "of", "for example"], rows)


def _operations(operations: Sequence[Operation]) -> str:
    """Name the operations of an option in a few words."""
    if all(operation.makes_module for operation in operations):
        fresh = {operation.is_fresh for operation in operations}
        return "fresh modules" if fresh == {True} else "`from_pretrained`"
    if all(operation.is_quantized for operation in operations):
        return "quantised lookups and bags"
    # Modules and quantised operations count as the plain function that does the same.
    names = {operation.of_floats.function for operation in operations}
    return {1: _listed(names), 2: "lookups and bags"}[len(names)]


def _info() -> str:
    told = documented(BackendInfo)
    rows = [[f"`{f.name}`", f"`{f.type}`", _default(f), told[f.name]] for f in fields(BackendInfo)]
    return _rows(["field", "type", "default", "is"], rows)


def _default(field: Any) -> str:
    if field.default is not MISSING:
        return "`frozenset()`" if field.default == frozenset() else f"`{field.default!r}`"
    return "required" if field.default_factory is MISSING else f"`{field.default_factory()!r}`"


def _protocol(kind: type) -> str:
    """Show the members of a protocol below its docstring."""
    told = documented(kind).items()
    attributes = (f"- `{name}: {kind.__annotations__[name]}`: {text}\n" for name, text in told)
    return (
        f"### `{kind.__name__}`\n\n{_paragraphs(kind)}\n{''.join([*attributes, *_methods(kind)])}"
    )


def _methods(kind: type) -> Iterator[str]:
    """Yield the public methods and properties of a class."""
    for name, member in vars(kind).items():
        method = getattr(member, "__func__", member)  # The function of a class method.
        is_method = inspect.isfunction(method) or isinstance(method, property)
        if is_method and not name.startswith("_"):
            shown = name if isinstance(method, property) else _signature(method)
            text = textwrap.indent(_paragraphs(method), "  ").lstrip()
            yield f"- `{shown}`: {text}"


def _function(module: str, one: Callable[..., Any] | type) -> str:
    shown = one.__name__ if isinstance(one, type) else _signature(one)
    methods = "".join(_methods(one)) if isinstance(one, type) else ""
    return f"### `{shown}`, in `{module}`\n\n{_paragraphs(one)}" + (methods and f"\n{methods}")


def _signature(function: Callable[..., Any]) -> str:
    """Return a function's name, arguments and result type as they are written in its source."""
    # `inspect.signature` would show the value of a default instead of its source text.
    source = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)  # noqa: S101  (of a function)
    own = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({own}){result}"


def _paragraphs(one: Any) -> str:
    """Return a docstring as Markdown. Raise LookupError if there is none."""
    if not one.__doc__:
        raise LookupError(f"{one.__name__} has no docstring")
    return f"{inspect.cleandoc(one.__doc__)}\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
