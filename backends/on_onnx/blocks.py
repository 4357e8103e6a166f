"""ONNX Runtime's GatherBlockQuantized, which `MatMulNBitsQuantizer` makes of a Gather: 4 bits.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from embcheck.backends.on_onnx import gathers
from embcheck.conformance.contract.backend import BackendInfo, Provided, Provision, Unsupported
from embcheck.conformance.contract.call import Call, Operation

_IS_SYMMETRIC = {"int4-signed-block32": True, "uint4-zero-block32": False}
_BLOCK = 32
_SCRIPT = """quantizer = MatMulNBitsQuantizer(
    before,
    block_size={block},
    is_symmetric={is_symmetric},
    op_types_to_quantize=("Gather",),
    quant_axes=(("Gather", 1),),
)
quantizer.process()
quantizer.model.save_model_to_file(after)"""


class OnnxRuntimeBlocks:
    """A graph of one Gather, as `MatMulNBitsQuantizer` rewrites it."""

    info = BackendInfo(
        id="onnxruntime-blocks",
        library="onnxruntime",
        exporters=("onnx", "onnxruntime.quantization"),
        version=onnxruntime.__version__,
        operations={
            Operation.QUANTIZED_EMBEDDING: Provided(
                Provision.NATIVE,
                "com.microsoft.GatherBlockQuantized, made by MatMulNBitsQuantizer of a Gather",
            )
        },
        schemes=frozenset(_IS_SYMMETRIC),
        survives_fork=True,
    )

    def prepare(self, call: Call) -> Callable[[], dict[str, Any]]:
        """Quantise a graph around the caller's table, and return a thunk that runs it."""
        if call.operation not in self.info.operations:
            raise Unsupported("GatherBlockQuantized looks rows up, and does nothing else")
        return gathers.thunk(call, _quantise)

    def to_numpy(self, answer: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
        """Return the answer as it is: its values are NumPy arrays already."""
        return answer

    def script(self, call: Call) -> str:
        """Write the graph, its quantisation and its run."""
        module = "onnxruntime.quantization.matmul_nbits_quantizer"
        imports = [f"from {module} import MatMulNBitsQuantizer"]
        is_symmetric = _IS_SYMMETRIC[call.option("scheme")]
        lines = _SCRIPT.format(block=_BLOCK, is_symmetric=is_symmetric)
        return gathers.script(call, imports, lines)


def _quantise(source: Path, target: Path, call: Call) -> None:
    quantizer = MatMulNBitsQuantizer(
        str(source),
        block_size=_BLOCK,
        is_symmetric=_IS_SYMMETRIC[call.option("scheme")],
        # By default the quantiser takes MatMul alone.
        op_types_to_quantize=("Gather",),
        quant_axes=(("Gather", 1),),
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))
