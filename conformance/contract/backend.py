"""The adapter contract: three members, no base class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from embcheck.conformance.contract.call import (
    GRADIENT_OBSERVATIONS,
    SPARSE_OBSERVATIONS,
    TRAINING_OBSERVATIONS,
    Call,
    Observation,
    Operation,
)
from embcheck.conformance.contract.capability import Capability
from embcheck.conformance.contract.options import OPTIONS

__all__ = [
    "ENTRY_POINT_GROUP",
    "Backend",
    "BackendInfo",
    "Capability",
    "DeviceClock",
    "Exporting",
    "ImportingLate",
    "OnDevice",
    "Provided",
    "Provision",
    "Scripted",
    "Spelled",
    "Unavailable",
    "Unsupported",
    "inputs_after",
    "required_capabilities",
]

ENTRY_POINT_GROUP = "embcheck.backends"
"""Distributions announce backends here: `name = "module:factory"`; the factory has no arguments."""


class Provision(StrEnum):
    """How a library comes by an operation."""

    NATIVE = "native"
    """The library has the operation: one call of its public API, or one node of its graph."""
    COMPOSED = "composed"
    """The library lacks it, and the adapter builds it of several, as the documentation or the
    library's users do. A departure of such a composition is not a bug of the library."""


@dataclass(frozen=True)
class Provided:
    """How one operation is provided: `native` or `composed`, and the spelling, e.g. `jnp.take`."""

    provision: Provision
    spelling: str


@dataclass(frozen=True)
class BackendInfo:
    """Who answers: library, version, device, what it can do, and how.

    An operation that is not in `operations` is absent from the library.
    """

    id: str
    """The backend's name, as its entry point has it; `mylib-take@cuda` on another device."""
    library: str
    """The library's name, as its distribution has it: `onnxruntime`."""
    version: str
    """The library's version, as the library states it. Deviations may depend on it."""
    device: str = "cpu"
    """Where the library works: `cpu`, `cuda`."""
    operations: Mapping[Operation, Provided] = field(default_factory=dict)
    """What the library can be asked, and how each is provided. All others are `unsupported`."""
    capabilities: frozenset[Capability] = frozenset()
    """What else it can do. A call that needs another one is `unsupported` whatever its outcome."""
    fresh_worker_after_bad_index: bool = False
    """Whether a bad index can corrupt the library's memory without killing the process. Then the
    worker is replaced after each call with invalid input."""
    schemes: frozenset[str] = frozenset()
    """The names in `SCHEMES` of the schemes by which the library stores tables in 8 or 4 bits."""
    made_from: str | None = None
    """The backend whose work this one continues: the exporter of a runtime, the source of a
    compiler. A departure is blamed on the first of such a chain that has it."""
    survives_fork: bool = False
    """Whether the library, imported but not yet used, may be forked: it starts no thread, and opens
    no device, at its import. Then a worker that died is replaced at once; otherwise the library is
    imported again."""
    threads: int | None = None
    """How many threads the library says that it uses; where it says nothing, the worker finds out
    how many it is given."""
    instructions: str | None = None
    """The widest set of vector instructions that the library says that it uses: `default`, `avx2`
    or `avx512`, `neon` or `sve`; where it says nothing, the processor's."""

    modules: tuple[str, ...] = ()
    """The Python modules whose errors are the library's refusals, where they are not named like
    it: `jax` and `jaxlib`, say."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the adapter sets that is not the library's default, and its users may not have:
    `{"jax_enable_x64": "True; the default is False"}`."""
    exporters: tuple[str, ...] = ()
    """The modules of an earlier stage: what traces, exports or converts for the library. What they
    refuse, the library has never seen."""

    @property
    def refusers(self) -> tuple[str, ...]:
        """The modules whose errors are the library's."""
        # A distribution's name may have hyphens, a module's cannot.
        return self.modules or (self.library.replace("-", "_"),)

    def lacks(self, call: Call) -> str | None:
        """Say what the call needs and the backend does not declare; None if it declares all."""
        if call.operation not in self.operations:
            return f"{self.id} does not declare the operation {call.operation}"
        if call.operation.is_quantized and call.option("scheme") not in self.schemes:
            return f"{self.id} does not declare the scheme {call.option('scheme')}"
        for capability in required_capabilities(call):
            if capability not in self.capabilities:
                return f"{self.id} does not declare the capability {capability}"
        return None


class Unsupported(Exception):
    """Raised by `prepare`, never by the thunk, with the reason why a call cannot be expressed."""


class Unavailable(Exception):
    """Raised by a backend's factory, with the reason: no such device, library or compiler here."""


class Backend(Protocol):
    """What an adapter implements.

    An adapter is honest: it calls the library's public API the way that library's users do. It
    never casts an index dtype, clamps or checks an index, pads, renormalises or catches an error
    on the library's behalf.
    """

    info: BackendInfo
    """Who answers, of the class or of the instance; it does not change."""

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Move inputs, build or compile, and return a thunk that does the whole call once.

        The thunk blocks until the answer exists, and may be called again.
        Raises Unsupported for what the backend cannot express.
        """

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Bring a thunk's answer home as arrays, by observation name."""


class Scripted(Protocol):
    """What an adapter implements besides, so that `embcheck reproduce` can print a call."""

    def script(self, call: Call) -> str:
        """Return Python lines that do a call through the library's own API, and nothing of ours.

        The call's inputs are there as NumPy arrays under PyTorch's names (`weight`, `indices`).
        The lines import the library, and leave each observation as a NumPy array of its own name:
        `output`, `grad_weight`, `weight_after`.
        """


class ImportingLate(Protocol):
    """What an adapter declares besides, where its library imports more when it is first used."""

    late_imports: tuple[str, ...]
    """Modules that a worker forked in place of a dead one shall have from the start."""


class DeviceClock(Protocol):
    """The clock of a device that works while the host goes on."""

    def flush(self) -> None:
        """Enqueue something that overwrites the device's caches."""

    def occupy(self) -> None:
        """Keep the device busy for longer than the host takes to enqueue a call."""

    def start(self) -> None:
        """Enqueue the first mark."""

    def stop(self) -> None:
        """Enqueue the last mark."""

    def seconds(self) -> float:
        """Wait for the last mark, and return the device's seconds between both."""

    def state(self) -> Mapping[str, Any]:
        """Return the device's clocks in MHz; `throttled` says what lowers them, or is empty."""


class OnDevice(Protocol):
    """What an adapter of another device than the CPU implements besides, to tell its time apart."""

    def on_device(self, call: Call) -> tuple[Callable[[], Any], DeviceClock]:
        """Return the call as a thunk that only enqueues it, and the clock of its device."""


class Spelled(Protocol):
    """What an adapter implements besides, where its library's users say one call in several ways.

    `embcheck bench --study prices` times each beside the adapter's own, once its answer is right.
    """

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return thunks by their spelling; none where there is one way only.

        Each blocks and answers as `prepare`'s does. Behind the line of code, a comment says what it
        does with an index that is out of range: `weight[indices]  # raises`.
        """


class Exporting(Protocol):
    """What an adapter implements besides, where an export or a compilation leaves something."""

    def artefact_bytes(self, call: Call) -> int:
        """Return the size of what is kept for a call: a graph, a program; without the table."""


def required_capabilities(call: Call) -> list[Capability]:
    """List the capabilities that a call needs, in the order of `Capability`."""
    needed = {
        # Sparse gradients are gradients too: they need both capabilities.
        Capability.GRADIENTS: call.wants(*GRADIENT_OBSERVATIONS),
        Capability.SPARSE_GRADIENTS: call.wants(*SPARSE_OBSERVATIONS),
        Capability.TRAINING: call.wants(*TRAINING_OBSERVATIONS, Observation.TRAINABLE),
        Capability.ADAGRAD: call.wants(Observation.WEIGHT_TRAINED_BY_ADAGRAD),
        Capability.SPARSE_ADAM: call.wants(Observation.WEIGHT_TRAINED_BY_SPARSE_ADAM),
        Capability.PER_SAMPLE_WEIGHTS: "per_sample_weights" in call.inputs,
        Capability.SHARED_MEMORY: call.wants(
            Observation.SHARES_MEMORY, Observation.OUTPUT_SHARES_MEMORY
        ),
    }
    needed |= {
        option.capability: option.is_used(call.options)
        for option in OPTIONS.values()
        if option.capability is not None
    }
    return [capability for capability in Capability if needed[capability]]


def inputs_after(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name the caller's arrays as the observation `inputs_after` wants them: `weight_after`, ...

    Give it the very arrays that the library was handed, brought home after the call.
    """
    # To report an array is not to read it: the harness sees what an adapter reads of its call.
    named = dict.items(inputs) if isinstance(inputs, dict) else inputs.items()
    return {f"{name}_after": array for name, array in named if name != "grad_output"}
