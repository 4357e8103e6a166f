"""The adapter contract: a class with three members; there is no base class."""

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
"""The entry-point group of backends: `name = "module:factory"`; the factory has no arguments."""


class Provision(StrEnum):
    """Whether the library has an operation itself, or the adapter composes it."""

    NATIVE = "native"
    """The library has the operation: one call of its public API, or one node of its graph."""
    COMPOSED = "composed"
    """The library lacks the operation. The adapter builds it from several others, as the library's
    documentation or its users do. A departure of the composition is not a bug of the library."""


@dataclass(frozen=True)
class Provided:
    """How one operation is provided: native or composed, and the code, e.g. `jnp.take`."""

    provision: Provision
    spelling: str


@dataclass(frozen=True)
class BackendInfo:
    """A backend's description of itself: library, version, device, and what it can do."""

    id: str
    """The backend's name, the same as that of its entry point; on another device than the CPU with
    a suffix: `mylib-take@cuda`."""
    library: str
    """The name of the library's distribution: `onnxruntime`."""
    version: str
    """The library's version, as the library reports it. Deviations may depend on it."""
    device: str = "cpu"
    """The device on which the library computes: `cpu`, `cuda`."""
    operations: Mapping[Operation, Provided] = field(default_factory=dict)
    """The operations that the library can do, and how each is provided. A call of any other
    operation is `unsupported`."""
    capabilities: frozenset[Capability] = frozenset()
    """The optional features that the backend has. A call that needs any other is `unsupported`,
    whatever its outcome."""
    fresh_worker_after_bad_index: bool = False
    """Whether a bad index can corrupt the library's memory without killing the process. If so, the
    worker is replaced after each call with invalid input."""
    schemes: frozenset[str] = frozenset()
    """The schemes by which the library stores tables in 8 or 4 bits: names in `SCHEMES`."""
    made_from: str | None = None
    """The backend that this one is built on: a runtime's exporter, or what a compiler starts from.
    In such a chain, reports attribute a departure to the first backend that shows it."""
    survives_fork: bool = False
    """Whether a process that has imported the library, but not used it, may be forked. It may if
    the import starts no thread and opens no device. Then workers are forked from such a process
    after a crash; otherwise each new worker imports the library again."""
    threads: int | None = None
    """The number of threads that the library says it uses. If it is None, the worker reports how
    many the environment and the processor allow."""
    instructions: str | None = None
    """The widest set of vector instructions that the library says it uses: `default`, `avx2` or
    `avx512`, `neon` or `sve`. If it is None, the worker reports the processor's."""

    modules: tuple[str, ...] = ()
    """The Python modules whose errors are the library's refusals. Needed only if their names differ
    from the library's: `jax` and `jaxlib`, for example."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of the adapter that differ from the library's defaults, and so perhaps from what its
    users have: `{"jax_enable_x64": "True; the default is False"}`."""
    exporters: tuple[str, ...] = ()
    """The modules that trace, export or convert for the library. If one of them refuses a call, the
    call never reached the library."""

    @property
    def refusers(self) -> tuple[str, ...]:
        """The modules whose errors count as the library's refusals."""
        # The name of a distribution may have hyphens, that of a module cannot.
        return self.modules or (self.library.replace("-", "_"),)

    def lacks(self, call: Call) -> str | None:
        """Say what the call needs that the backend does not declare; None if it declares all."""
        if call.operation not in self.operations:
            return f"{self.id} does not declare the operation {call.operation}"
        if call.operation.is_quantized and call.option("scheme") not in self.schemes:
            return f"{self.id} does not declare the scheme {call.option('scheme')}"
        for capability in required_capabilities(call):
            if capability not in self.capabilities:
                return f"{self.id} does not declare the capability {capability}"
        return None


class Unsupported(Exception):
    """Raised by `prepare`, with the reason, for a call that the backend cannot express.

    The thunk must not raise it.
    """


class Unavailable(Exception):
    """Raised by a backend's factory, with the reason: a device, library or compiler is missing."""


class Backend(Protocol):
    """What every adapter implements.

    An adapter is honest: it calls the library's public API as the library's users do. It never
    casts an index dtype, clamps or checks an index, pads, renormalises or catches an error on the
    library's behalf.
    """

    info: BackendInfo
    """The backend's description, as an attribute of the class or the instance; it is constant."""

    def prepare(self, call: Call) -> Callable[[], Any]:
        """Move inputs, build or compile, and return a thunk that does the whole call once.

        The thunk blocks until the answer exists, and may be called again.
        Raise Unsupported for a call that the backend cannot express.
        """

    def to_numpy(self, answer: Any) -> Mapping[str, np.ndarray]:
        """Return a thunk's answer as NumPy arrays, by observation name."""


class Scripted(Protocol):
    """Optional: lets `embcheck reproduce` print a call as a script."""

    def script(self, call: Call) -> str:
        """Return Python lines that make a call through the library's own API, without embcheck.

        The lines find the call's inputs as NumPy arrays under PyTorch's names (`weight`,
        `indices`). They import the library, and leave each observation as a NumPy array of its own
        name: `output`, `grad_weight`, `weight_after`.
        """


class ImportingLate(Protocol):
    """Optional, with `survives_fork`: names what the library imports only at its first use."""

    late_imports: tuple[str, ...]
    """Modules that are imported once, before workers are forked, so that no worker needs to."""


class DeviceClock(Protocol):
    """A clock on a device that computes asynchronously, while the host goes on."""

    def flush(self) -> None:
        """Enqueue something that overwrites the device's caches."""

    def occupy(self) -> None:
        """Keep the device busy for longer than the host takes to enqueue a call."""

    def start(self) -> None:
        """Enqueue the first mark."""

    def stop(self) -> None:
        """Enqueue the last mark."""

    def seconds(self) -> float:
        """Wait for the last mark, and return the seconds from the first, by the device's clock."""

    def state(self) -> Mapping[str, Any]:
        """Return the device's clock rates in MHz, and in `throttled` what lowers them, or ""."""


class OnDevice(Protocol):
    """Optional, for another device than the CPU: lets timings measure the device's own time."""

    def on_device(self, call: Call) -> tuple[Callable[[], Any], DeviceClock]:
        """Return a thunk that only enqueues the call, and the clock of its device."""


class Spelled(Protocol):
    """Optional: other ways in which the library's users write the same call.

    `embcheck bench --study prices` times each of them against the adapter's own way, if its answer
    is right.
    """

    def spellings(self, call: Call) -> Mapping[str, Callable[[], Any]]:
        """Return a thunk for each other spelling; empty if there is none.

        A thunk blocks and answers like that of `prepare`. Its key is the line of code, with a
        comment that says what it does with an index out of range: `weight[indices]  # raises`.
        """


class Exporting(Protocol):
    """Optional: reports the size of what an export or a compilation leaves."""

    def artefact_bytes(self, call: Call) -> int:
        """Return the bytes kept for a call, such as a graph or a program, without the table."""


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
    """Return the caller's arrays under the names that `inputs_after` needs: `weight_after`, ...

    Pass the very arrays that the library was given, as they are on the host after the call.
    """
    # The harness records which inputs an adapter reads. `dict.items` goes past that: reporting an
    # array is not reading it.
    named = dict.items(inputs) if isinstance(inputs, dict) else inputs.items()
    return {f"{name}_after": array for name, array in named if name != "grad_output"}
