"""The two exporters in PyTorch: both are `torch.onnx.export`, with `dynamo=True` or `False`.

https://docs.pytorch.org/docs/2.13/onnx_export.html and, for the older exporter,
https://docs.pytorch.org/docs/2.13/onnx_torchscript.html.
"""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from functools import cache
from typing import Any

import torch

from embcheck.backends.on_torch.inference import Exported
from embcheck.conformance.contract.export_cache import Refusal


def dynamo(exported: Exported) -> bytes | Refusal:
    """Export through `torch.export`, with static sizes only for `fixed` inputs.

    A refusal has the message of the error's cause, which says what was wrong. The message of the
    exporter's own error only says how to debug it.
    """
    _keep_translations()
    try:
        # Without `verbose=False` it prints what it does, for each of thousands of calls.
        program: Any = torch.onnx.export(
            exported.lookup,
            exported.examples,
            dynamo=True,
            verbose=False,
            dynamic_shapes=exported.sizes(),
        )
    except torch.onnx.OnnxExporterError as error:
        # Cached like a graph, since a refusal takes as long.
        return Refusal.of(error, error.__cause__)
    return bytes(program.model_proto.SerializeToString())


@cache
def _keep_translations() -> None:
    """Make PyTorch build its table of translations once a process, not for every export.

    The table is built from constants, and only read here. Building it takes 0.7 s, twice as long as
    the rest of an export. With a PyTorch that keeps it elsewhere, exports just take longer.
    """
    with suppress(ImportError, AttributeError):
        from torch.onnx._internal.exporter._registration import ONNXRegistry  # noqa: PLC0415

        made: Any = ONNXRegistry.from_torchlib
        ONNXRegistry.from_torchlib = staticmethod(cache(made))  # type: ignore[method-assign]


def torchscript(exported: Exported) -> bytes:
    """Export through a TorchScript trace, with static sizes only for `fixed` inputs."""
    sizes = {
        name: {axis: f"{name}_{axis}" for axis in range(example.ndim)}
        for name, example in zip(exported.names, exported.examples, strict=True)
        # PyTorch compares the sizes of `fixed` inputs with numbers of the call, so their examples
        # have the call's sizes, which stay static.
        if name not in exported.fixed
    }
    file: Any = io.BytesIO()  # which the exporter takes, though it is typed as a path
    with warnings.catch_warnings():
        # `dynamo=False` is deprecated, and says so at each export.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            exported.lookup,
            exported.examples,
            file,
            dynamo=False,
            input_names=exported.names,
            dynamic_axes=sizes,
        )
    return bytes(file.getvalue())
