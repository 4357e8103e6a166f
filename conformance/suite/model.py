"""Clauses, specs and cases: the contract as immutable data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from embcheck.conformance.contract.call import Call, Observation, Operation
from embcheck.conformance.contract.options import read_option
from embcheck.conformance.suite import real_data
from embcheck.conformance.suite.arrays import (
    ArraySource,
    GeneratedArray,
    JoinedArray,
    Real,
    describe_array,
    named_specials,
)
from embcheck.conformance.suite.fingerprint import fingerprint


class Level(StrEnum):
    """What a clause is based on."""

    DOCUMENTED = "documented"
    DOMAIN = "domain"
    UPSTREAM_TESTED = "upstream-tested"
    SCHEME = "scheme"
    """Based on the documentation of the scheme that stores the table, not on PyTorch's."""
    IMPLEMENTATION_DEFINED = "implementation-defined"


@dataclass(frozen=True)
class Clause:
    """One statement of the contract, paraphrased."""

    id: str
    level: Level
    statement: str
    object: str
    parameter: str
    source: str
    torch_only: bool = False
    """Whether only PyTorch itself can answer, so that the cases are probes."""
    sentences: tuple[tuple[str, str], ...] = ()
    """The sentences of the documentation that state it: pairs of hash and paraphrase."""
    where: str = ""
    """Its place, as `file:line:column`."""


@dataclass(frozen=True)
class Values:
    """An expected array that is written out in full."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the observation must have."""
        return self.array.shape

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return describe_array(self.array)


@dataclass(frozen=True)
class Made:
    """An expected array that is made from a recipe when it is needed."""

    source: GeneratedArray | JoinedArray

    @property
    def array(self) -> np.ndarray:
        """The values."""
        return self.source.array()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the observation must have."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype that the observation must have."""
        return self.source.dtype

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return self.source.describe()


@dataclass(frozen=True)
class Structure:
    """An expected shape and dtype, and what must hold at some positions.

    `at` gives values at positions, `equal` groups of positions with equal values, `nonzero`
    positions that are not all zeros. A position may leave out the last axes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    at: tuple[tuple[tuple[int, ...], np.ndarray], ...] = ()
    equal: tuple[tuple[tuple[int, ...], ...], ...] = ()
    nonzero: tuple[tuple[int, ...], ...] = ()

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype.name,
            "at": [
                {"position": list(position), "values": describe_array(values)["values"]}
                for position, values in self.at
            ],
            "equal": [[list(position) for position in group] for group in self.equal],
            "nonzero": [list(position) for position in self.nonzero],
        }


@dataclass(frozen=True)
class Text:
    """An expected text; in an answer it is an array of its UTF-8 bytes."""

    text: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that the observation must have."""
        return (len(self.text.encode()),)

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return {"text": self.text}


@dataclass(frozen=True)
class FromReference:
    """The NumPy reference's answer to the same call, as the expected result."""

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return {"reference": "numpy-reference"}


Expected = Values | Made | Structure | Text | FromReference


@dataclass(frozen=True)
class Tolerance:
    """An error bound that a case states itself, with the reason."""

    reason: str
    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True)
class CallSpec:
    """A call as a spec states it; its arrays are made when they are needed."""

    operation: Operation
    inputs: Mapping[str, ArraySource]
    options: Mapping[str, Any]
    observe: tuple[str, ...]
    exported_for: Mapping[str, str] = field(default_factory=dict)

    def option(self, name: str) -> Any:
        """Return the value of an option, or PyTorch's default if the call leaves it out."""
        return read_option(self.options, name)

    def call(self) -> Call:
        """Make the call, with fresh arrays. It also observes its inputs after the call."""
        arrays = {name: source.array() for name, source in self.inputs.items()}
        observe = (*self.observe, Observation.INPUTS_AFTER)
        return Call(self.operation, arrays, dict(self.options), observe, self.exported_for)

    def outline(self) -> Call:
        """Make the call with empty arrays, from which the capabilities that it needs follow."""
        # These depend on which inputs there are, not on their values.
        arrays = {name: np.empty(0) for name in self.inputs}
        return Call(self.operation, arrays, self.options, self.observe, self.exported_for)

    def describe(self) -> dict[str, Any]:
        """Describe the call as plain JSON data."""
        return {
            "operation": str(self.operation),
            "inputs": {name: source.describe() for name, source in self.inputs.items()},
            "options": {name: named_specials(value) for name, value in self.options.items()},
            "observe": list(self.observe),
            **({"exported_for": dict(self.exported_for)} if self.exported_for else {}),
        }


@dataclass(frozen=True)
class Returns:
    """The call must return, with these expected observations."""

    observations: Mapping[str, Expected]

    def describe(self) -> dict[str, Any]:
        """Describe what is expected as plain JSON data."""
        return {name: expected.describe() for name, expected in self.observations.items()}


@dataclass(frozen=True)
class Rejects:
    """The call must be refused; the control, a similar valid call, must be answered as stated."""

    control: CallSpec
    control_returns: Returns


@dataclass(frozen=True)
class Observes:
    """The answer is only recorded; the call must not kill the process or write to its inputs.

    `readings` names possible answers; the first that fits is recorded.
    `pytorch` is the name of the reading that fits PyTorch 2.13.0 on the CPU.
    """

    readings: Mapping[str, Returns] = field(default_factory=dict)
    pytorch: str | None = None


@dataclass(frozen=True)
class SequenceStep:
    """One of several calls that a worker process gets one after another."""

    label: str
    """The step's label: `at rows = 3, columns = 7`, or `in step 2`."""
    spec: CallSpec
    returns: Returns


@dataclass(frozen=True)
class Steps:
    """Several calls, one after another in one process, that must all return as stated."""

    steps: tuple[SequenceStep, ...]


Expectation = Returns | Rejects | Observes | Steps


@dataclass(frozen=True)
class Case:
    """One call and its expected result."""

    id: str
    title: str
    clauses: tuple[Clause, ...]
    spec: CallSpec
    expectation: Expectation
    where: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tolerance: Tolerance | None = None
    again: bool = False
    """Whether the same thunk is called twice, and must give the same bits."""
    large: bool = False
    """Whether the worker makes the arrays, because they are too large to be sent."""

    @property
    def calls(self) -> tuple[CallSpec, ...]:
        """The valid calls of the case: all steps; for a refusal its control; else the one call."""
        if isinstance(self.expectation, Steps):
            return tuple(step.spec for step in self.expectation.steps)
        return (self.expectation.control if isinstance(self.expectation, Rejects) else self.spec,)

    @property
    def asked(self) -> tuple[CallSpec, ...]:
        """The calls that the case is about: all steps, or one call, which may be an invalid one."""
        return self.calls if isinstance(self.expectation, Steps) else (self.spec,)

    @property
    def level(self) -> Level:
        """The level of the case's first clause."""
        return self.clauses[0].level

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """The call and its expected result as plain JSON data; for several steps, the first."""
        expectation = self.expectation
        rejects = expectation if isinstance(expectation, Rejects) else None
        observes = expectation if isinstance(expectation, Observes) else Observes()
        steps = expectation.steps if isinstance(expectation, Steps) else ()
        returns = steps[0].returns if steps else expectation
        return {
            "call": self.spec.describe(),
            "expected": returns.describe() if isinstance(returns, Returns) else None,
            "control": rejects.control.describe() if rejects else None,
            "control_expected": rejects.control_returns.describe() if rejects else None,
            "readings": {name: returns.describe() for name, returns in observes.readings.items()},
            "pytorch": observes.pytorch,
            "steps": tuple(step.label for step in steps),
            "parameters": {name: named_specials(value) for name, value in self.parameters.items()},
        }

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that decides how the case is judged."""
        return fingerprint(self)

    @cached_property
    def missing(self) -> str | None:
        """Say which real data of the case is not installed; None if it can run."""
        sources = (source for call in self.calls for source in call.inputs.values())
        return real_data.missing() if any(isinstance(one, Real) for one in sources) else None


@dataclass(frozen=True)
class Spec:
    """One YAML file: the cases of one behaviour."""

    name: str
    behaviour: str
    cases: tuple[Case, ...]
