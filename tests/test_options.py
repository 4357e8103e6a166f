"""The table of options matches PyTorch's signatures, the schema and the clauses."""

from __future__ import annotations

import inspect
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from embcheck.conformance.contract.backend import required_capabilities
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.capability import Capability
from embcheck.conformance.contract.operation import FRESH, PRETRAINED, WITH_TABLE
from embcheck.conformance.contract.options import OPTIONS, kinds_of, options_of, taken_by
from embcheck.conformance.execution.inside.tracking import tracked
from embcheck.conformance.suite.load import shipped_clauses
from embcheck.conformance.suite.model import CallSpec

ROOT = Path(__file__).parent.parent
DOCUMENTED = (*WITH_TABLE, Operation.ONE_HOT)
ARRAYS = {"self", "input", "tensor", "weight", "embeddings", "offsets", "per_sample_weights"}
"""Parameters that are inputs of a call rather than options."""
NOT_OPTIONS = {"device", "_weight", "_freeze"}
"""Parameters for the device of a module, and undocumented ones."""


def call_of(operation: Operation, **options: object) -> Call:
    """Make a call whose arrays do not matter."""
    return Call(operation, {"indices": np.zeros(1, np.int64)}, options)


@pytest.mark.parametrize("operation", DOCUMENTED)
def test_names_and_defaults_are_pytorchs(operation):
    """Each operation has the options and defaults of PyTorch's signature."""
    torch = pytest.importorskip("torch")
    names = pytest.importorskip("embcheck.backends.on_torch.names")
    function = names.function_of(operation)
    if operation is Operation.ONE_HOT:  # A built-in: its signature is in the docstring.
        lines = {}
        exec(f"def {function.__doc__.strip().partition(' ->')[0]}: ...", lines)
        function = lines["one_hot"]
    skipped = ARRAYS | NOT_OPTIONS
    parameters = inspect.signature(function).parameters
    theirs = {n: p.default for n, p in parameters.items() if n not in skipped}
    # A dtype of None in a signature means PyTorch's default dtype.
    if operation in FRESH:
        assert theirs["dtype"] is None
        theirs["dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
    ours = {option.name: option.default for option in options_of(operation)}
    required = {name for name, default in theirs.items() if default is inspect.Parameter.empty}
    assert required == ({"num_embeddings", "embedding_dim"} if operation in FRESH else set())
    assert ours == {n: None if n in required else default for n, default in theirs.items()}


def test_the_schema_of_specs_has_the_same_options():
    """The schema of specs allows exactly the options of the table, and those of probes."""
    schema = json.loads((files("embcheck.specs") / "schema.json").read_text("utf-8"))
    properties = schema["$defs"]["options"]["properties"]
    assert properties.keys() == OPTIONS.keys() | {"probe", "object", "arguments"}


def test_each_option_has_a_clause():
    """Each option is the parameter of a clause, except `embedding_dim`."""
    parameters = {clause.parameter for clause in shipped_clauses().values()}
    assert OPTIONS.keys() - parameters == {"embedding_dim"}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS.keys())
def test_values_are_of_known_kinds(option):
    """The values to try, and the default, have a kind that coverage counts; all values differ."""
    seen = [option.kind_in({option.name: value}) for value in option.values]
    if option.kinds:
        assert {*seen, option.kind_in({})} <= {*option.kinds}
    assert len(set(option.values)) == len(option.values)


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS.keys())
def test_another_value_needs_the_capability(option):
    """A call needs an option's capability if its value is neither the default nor None."""
    operation = option.operations[0]
    assert required_capabilities(call_of(operation, **{option.name: option.default})) == []
    assert required_capabilities(call_of(operation, **{option.name: None})) == []
    for value in option.others:
        needed = required_capabilities(call_of(operation, **{option.name: value}))
        assert needed == ([option.capability] if option.capability else [])


def test_capabilities_are_found_in_their_order():
    """Required capabilities are listed in the order of `Capability`."""
    given = {option.name: option.others[0] for option in OPTIONS.values() if option.capability}
    needed = required_capabilities(call_of(Operation.EMBEDDING_BAG, **given))
    assert needed == [name for name in Capability if name in needed]
    assert len(needed) == len(given) > 1


@pytest.mark.parametrize("name", OPTIONS)
def test_a_call_reads_an_option_or_its_default(name):
    """`option` returns the call's value, or the default, and counts as reading it."""
    assert call_of(Operation.EMBEDDING).option(name) == OPTIONS[name].default
    assert CallSpec(Operation.EMBEDDING, {}, {}, ()).option(name) == OPTIONS[name].default
    assert CallSpec(Operation.EMBEDDING, {}, {name: "x"}, ()).option(name) == "x"
    call = tracked(call_of(Operation.EMBEDDING, **{name: "x"}))
    assert call.options.unread == [name]
    assert call.option(name) == "x"
    assert call.options.unread == []


def test_an_unknown_option_has_no_default():
    """Reading an unknown option is a KeyError."""
    with pytest.raises(KeyError):
        call_of(Operation.EMBEDDING).option("pading_idx")


@pytest.mark.parametrize(
    ("operation", "options", "is_frozen"),
    [
        (Operation.EMBEDDING_FROM_PRETRAINED, {}, True),
        (Operation.EMBEDDING_BAG_FROM_PRETRAINED, {"freeze": False}, False),
        (Operation.EMBEDDING_MODULE, {}, False),
        (Operation.EMBEDDING, {}, False),
    ],
)
def test_only_what_is_made_from_a_table_is_frozen(operation, options, is_frozen):
    """Only from_pretrained modules are frozen, by default."""
    assert call_of(operation, **options).is_frozen is is_frozen


def test_operations_know_their_functions():
    """Each operation of a module names the function that it applies."""
    assert {operation: operation.function for operation in Operation} == {
        Operation.EMBEDDING: Operation.EMBEDDING,
        Operation.EMBEDDING_MODULE: Operation.EMBEDDING,
        Operation.EMBEDDING_FROM_PRETRAINED: Operation.EMBEDDING,
        Operation.EMBEDDING_BAG: Operation.EMBEDDING_BAG,
        Operation.EMBEDDING_BAG_MODULE: Operation.EMBEDDING_BAG,
        Operation.EMBEDDING_BAG_FROM_PRETRAINED: Operation.EMBEDDING_BAG,
        Operation.ONE_HOT: Operation.ONE_HOT,
        Operation.QUANTIZED_EMBEDDING: Operation.QUANTIZED_EMBEDDING,
        Operation.QUANTIZED_EMBEDDING_BAG: Operation.QUANTIZED_EMBEDDING_BAG,
        Operation.PROBE: Operation.PROBE,
    }
    assert {o for o in Operation if o.makes_module} == {*FRESH, *PRETRAINED}
    assert {o for o in Operation if o.makes_module} == {
        operation for operation in Operation if operation.function is not operation
    }


def test_a_function_takes_less_than_its_module():
    """Options of a constructor are dropped for the function."""
    given = {"num_embeddings": 3, "embedding_dim": 2, "dtype": "float32", "sparse": True}
    assert taken_by(Operation.EMBEDDING, given) == {"sparse": True}
    assert taken_by(Operation.EMBEDDING_BAG_MODULE, given) == given


def test_kinds_are_of_documented_options():
    """Coverage counts every documented option but the sizes and the dtype of a fresh table."""
    counted = {name for operation in DOCUMENTED for name in kinds_of(operation)}
    assert OPTIONS.keys() - counted == {"num_embeddings", "embedding_dim", "dtype", "scheme"}


def test_nobody_else_states_a_default():
    """No adapter or harness code states an option's default itself."""
    names = "|".join(OPTIONS)
    stated = re.compile(rf"options\.(get|pop)\(\s*[\"']({names})[\"'],(?!\s*None\))")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in ("conformance", "backends")
        for path in (ROOT / folder).rglob("*.py")
        for match in stated.finditer(path.read_text("utf-8"))
    ]
    assert found == []
