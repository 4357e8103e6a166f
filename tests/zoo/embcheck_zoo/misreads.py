"""Backends whose library is right, and whose adapter passes one option on wrongly.

Each has one mistake, which `read` makes; what it reads otherwise, `correct` answers rightly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from embcheck.conformance.contract.backend import Provided, Provision, Unsupported, inputs_after
from embcheck.conformance.contract.call import Call, Operation
from embcheck_zoo.base import Correct

Options = dict[str, Any]


class Misreads(Correct):
    """Reads options as `read` says, and reports the arrays that it was given."""

    def __init__(self) -> None:
        super().__init__()
        native = Provided(Provision.NATIVE, "the library's")
        self.info = replace(self.info, operations=dict.fromkeys(self.info.operations, native))

    def answer(self, call: Call) -> Any:
        options = {name: call.options[name] for name in call.options}
        self.read(options)
        inputs = {name: array.copy() for name, array in call.inputs.items()}
        answer = self.correct(replace(call, options=options, inputs=self.take(inputs)))
        own = {name: array for name, array in answer.items() if name == "weight_after"}
        return {**answer, **inputs_after(call.inputs), **own}

    def read(self, options: Options) -> None:
        """Make the mistake."""

    def take(self, inputs: Options) -> Options:
        """Return the inputs that are handed on."""
        return inputs


class ReadsRightly(Misreads):
    """Makes no mistake."""


class PaddingOffByOne(Misreads):
    """Counts rows from one."""

    def read(self, options: Options) -> None:
        if options.get("padding_idx") is not None:
            options["padding_idx"] = max(options["padding_idx"] - 1, -5)


class IgnoresPadding(Misreads):
    """Takes row 0 for no padding at all: `if padding_idx`."""

    def read(self, options: Options) -> None:
        if not options.get("padding_idx"):
            options.pop("padding_idx", None)


class OrderForLimit(Misreads):
    """Gives the order of the norm where its limit belongs."""

    def read(self, options: Options) -> None:
        if options.get("max_norm") is not None:
            options["max_norm"] = options.get("norm_type", 2.0)


class SwapsNorms(Misreads):
    """Gives limit and order in the wrong order."""

    def read(self, options: Options) -> None:
        if options.get("max_norm") is not None:
            order = options.get("norm_type", 2.0)
            options["norm_type"], options["max_norm"] = options["max_norm"], order


class SquaresLimits(Misreads):
    """Limits the sum of squares by what should limit its root."""

    def read(self, options: Options) -> None:
        if options.get("max_norm") is not None:
            options["max_norm"] = options["max_norm"] ** 0.5


class IgnoresLimits(Misreads):
    """Reads the limit of norms, and leaves it at that."""

    def read(self, options: Options) -> None:
        options.pop("max_norm", None)


class IgnoresOrders(Misreads):
    """Reads the order of norms, and leaves it at that."""

    def read(self, options: Options) -> None:
        options.pop("norm_type", None)


class IgnoresFrequencies(Misreads):
    """Reads `scale_grad_by_freq`, and leaves it at that."""

    def read(self, options: Options) -> None:
        options.pop("scale_grad_by_freq", None)


class IgnoresSparse(Misreads):
    """Reads `sparse`, and leaves it at that."""

    def read(self, options: Options) -> None:
        options.pop("sparse", None)


class NegatesFreeze(Misreads):
    """Says `freeze` where the library asks whether to train."""

    def read(self, options: Options) -> None:
        if "freeze" in options:
            options["freeze"] = not options["freeze"]


class NegatesLastOffset(Misreads):
    """Says that there is a last offset where there is none, and the reverse."""

    def read(self, options: Options) -> None:
        if "include_last_offset" in options:
            options["include_last_offset"] = not options["include_last_offset"]


class SwapsModes(Misreads):
    """Takes the mean for a maximum."""

    def read(self, options: Options) -> None:
        if options.get("mode") == "max":
            options["mode"] = "mean"


class OneClassLess(Misreads):
    """Counts classes from zero."""

    def read(self, options: Options) -> None:
        if options.get("num_classes", -1) > 5:
            options["num_classes"] -= 1


class SwapsSizes(Misreads):
    """Gives columns where rows belong."""

    def read(self, options: Options) -> None:
        if "num_embeddings" in options:
            rows, columns = options["num_embeddings"], options["embedding_dim"]
            options["num_embeddings"], options["embedding_dim"] = columns, rows


class OneRowMore(Misreads):
    """Makes a table of one row too many."""

    def read(self, options: Options) -> None:
        if "num_embeddings" in options:
            options["num_embeddings"] += 1


class IgnoresDtype(Misreads):
    """Makes each table of float32."""

    def read(self, options: Options) -> None:
        options.pop("dtype", None)


class IgnoresWeights(Misreads):
    """Reads `per_sample_weights`, and leaves it at that."""

    def take(self, inputs: Options) -> Options:
        return {name: array for name, array in inputs.items() if name != "per_sample_weights"}


class IgnoresUpstream(Misreads):
    """Reads `grad_output`, and takes ones."""

    def take(self, inputs: Options) -> Options:
        return {name: array for name, array in inputs.items() if name != "grad_output"}


class HalvesLimits(Misreads):
    """Makes a mistake that nobody thought of."""

    def read(self, options: Options) -> None:
        if options.get("max_norm") is not None:
            options["max_norm"] = options["max_norm"] * 0.9


class LibraryIgnoresLimits(IgnoresLimits):
    """An honest adapter of a library that ignores the limit, as its script shows."""

    def script(self, call: Call) -> str:
        if call.operation is not Operation.EMBEDDING:
            raise Unsupported("no script")
        return "output = weight[indices]\nweight_after = weight"


class DeniesTheLimit(IgnoresLimits):
    """The same, but its script does what the library does: the adapter is at fault."""

    def script(self, call: Call) -> str:
        if call.operation is not Operation.EMBEDDING:
            raise Unsupported("no script")
        limit = call.options.get("max_norm")
        if limit is None:
            return "output = weight[indices]"
        lines = (
            "norms = np.linalg.norm(weight, axis=1, keepdims=True)",
            f"weight = (weight * np.where(norms > {limit}, {limit} / (norms + 1e-7), 1))",
            "output = weight.astype(np.float32)[indices]",
        )
        return "\n".join(lines)


class Declines(Correct):
    """Declares `one_hot`, and raises Unsupported for each."""

    def prepare(self, call: Call) -> Any:
        if call.operation is Operation.ONE_HOT:
            raise Unsupported("no classes after all")
        return super().prepare(call)


class IgnoresSchemes(Misreads):
    """Stores every table in the 8 bits that it knows best."""

    def read(self, options: Options) -> None:
        if "scheme" in options:
            options["scheme"] = "uint8-row"


class OneScaleForAll(Misreads):
    """Takes one scale for a table where each row should have its own."""

    def read(self, options: Options) -> None:
        if options.get("scheme") == "int8-row":
            options["scheme"] = "int8-table"
