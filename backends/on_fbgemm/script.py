"""A call as lines of FBGEMM's own API."""

from __future__ import annotations

from fbgemm_gpu.split_embedding_configs import SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import BoundsCheckMode

from embcheck.backends.on_fbgemm.calls import pooling_of
from embcheck.backends.on_torch import script as torch_script
from embcheck.conformance.contract.call import Call, Observation

_IMPORTS = """\
import torch
from fbgemm_gpu.split_embedding_configs import EmbOptimType, SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import (
    BoundsCheckMode,
    EmbeddingLocation,
    PoolingMode,
)
from fbgemm_gpu.split_table_batched_embeddings_ops_training import (
    ComputeDevice,
    DenseTableBatchedEmbeddingBagsCodegen,
    SplitTableBatchedEmbeddingBagsCodegen,
)
"""
_PLACES = {
    "cpu": "EmbeddingLocation.HOST, ComputeDevice.CPU",
    "cuda": "EmbeddingLocation.DEVICE, ComputeDevice.CUDA",
}
_SPLIT = """\
module = SplitTableBatchedEmbeddingBagsCodegen(
    [(*weight.shape, {place})],
    pooling_mode={pooling},
    optimizer=EmbOptimType.EXACT_SGD,
    learning_rate=1.0,
    weights_precision=SparseType.from_dtype(weight.dtype),
    output_dtype=SparseType.from_dtype(weight.dtype),{checks}
)
weight = module.split_embedding_weights()[0].copy_(weight)"""
_DENSE = """\
module = DenseTableBatchedEmbeddingBagsCodegen(
    [{shape}],
    pooling_mode={pooling},
    use_cpu={on_cpu},
    weights_precision=SparseType.from_dtype({dtype}),
    output_dtype=SparseType.from_dtype({dtype}),
)
table = module.split_embedding_weights()[0]"""

_NBIT_IMPORTS = """\
import torch
from fbgemm_gpu.split_embedding_configs import SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import EmbeddingLocation, PoolingMode
from fbgemm_gpu.split_table_batched_embeddings_ops_inference import (
    IntNBitTableBatchedEmbeddingBagsCodegen,
)
from fbgemm_gpu.tbe.utils.quantize import quantize_embs
"""
_NBIT = """\
module = IntNBitTableBatchedEmbeddingBagsCodegen(
    [("table", *weight.shape, {kind}, EmbeddingLocation.HOST)],
    device="cpu",
    pooling_mode={pooling},
    output_dtype=SparseType.FP32,
)
module.initialize_weights()
module.assign_embedding_weights([quantize_embs(weight, {kind})])"""
_STORED = "stored_weight = module(torch.arange(len(weight)), torch.arange(len(weight) + 1))"


def write_split(call: Call, device: str, checks: BoundsCheckMode | None) -> str:
    """Write a call of a fused TBE, in one mode of checking bounds."""
    torch_script.require_written(call)
    made = _SPLIT.format(
        place=_PLACES[device],
        pooling=_pooling(call),
        # Like the adapter, a script does not name the default.
        checks="" if checks is None else f"\n    bounds_check_mode=BoundsCheckMode.{checks.name},",
    )
    lines = [*torch_script.plain_tensors(call, torch_script.moved_to(device)), made, *_lookup(call)]
    if call.wants(Observation.TRAINED_WEIGHT):
        upstream = "grad_output" if "grad_output" in call.inputs else "torch.ones_like(output)"
        lines += [f"output.backward({upstream})", "trained_weight = weight"]
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append("weight_after = weight")
    return "\n".join([_IMPORTS, *lines, *torch_script.home(call)])


def write_dense(call: Call, device: str) -> str:
    """Write a call of a dense TBE; its flat weight's gradient gets the shape of the table."""
    torch_script.require_written(call)
    shape, dtype = "tuple(weight.shape)", "weight.dtype"
    if "weight" not in call.inputs:
        shape = f"({call.options['num_embeddings']}, {call.options['embedding_dim']})"
        dtype = f"torch.{call.option('dtype')}"
    on_cpu = device == "cpu"
    made = [_DENSE.format(shape=shape, dtype=dtype, pooling=_pooling(call), on_cpu=on_cpu)]
    if "weight" in call.inputs:
        made.append("table.copy_(weight)")
    if call.is_frozen:
        made.append("module.weights.requires_grad_(False)")
    lines = torch_script.plain_tensors(call, torch_script.moved_to(device))
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        lines.append("per_sample_weights.requires_grad_()")
    lines += [*made, *_lookup(call), *torch_script.derived(call, "module.weights")]
    lines += [
        f"{name} = {name}.view(table.shape)"
        for name in ("grad_weight", "trained_weight", "weight_after")
        if call.wants(name)
    ]
    return "\n".join([_IMPORTS, *lines, *torch_script.home(call)])


def write_nbit(call: Call, kind: SparseType) -> str:
    """Write a call of a table of 8 or 4 bits."""
    written = {Observation.OUTPUT, Observation.STORED_WEIGHT}
    torch_script.require_written(
        call, {*written, Observation.WEIGHT_AFTER, Observation.INPUTS_AFTER}
    )
    made = _NBIT.format(kind=f"SparseType.{kind.name}", pooling=_pooling(call))
    lines = [*torch_script.plain_tensors(call, "{}"), made, *_lookup(call)]
    if call.wants(Observation.STORED_WEIGHT):
        lines.append(_STORED)
    if call.wants(Observation.WEIGHT_AFTER):
        lines.append("weight_after = weight")
    return "\n".join([_NBIT_IMPORTS, *lines, *torch_script.home(call)])


def _pooling(call: Call) -> str:
    return f"PoolingMode.{pooling_of(call).name}"


def _lookup(call: Call) -> list[str]:
    # A fresh table's width follows from the size of the output.
    columns = call.inputs["weight"].shape[-1] if "weight" in call.inputs else -1
    if not call.operation.is_bag:
        return [
            "rows = module(indices.flatten(), torch.arange(indices.numel() + 1))",
            f"output = rows.view(*indices.shape, {columns})",
        ]
    indices, weights, offsets = "indices", "per_sample_weights", "offsets"
    lines = []
    if "offsets" not in call.inputs:
        lines = ["offsets = indices.shape[1] * torch.arange(indices.shape[0] + 1)"]
        indices, weights = "indices.flatten()", "per_sample_weights.flatten()"
    elif not call.option("include_last_offset"):
        offsets = "torch.cat([offsets, offsets.new_tensor([indices.numel()])])"
    arguments = [indices, offsets]
    if "per_sample_weights" in call.inputs:
        arguments.append(weights)
    return [*lines, f"output = module({', '.join(arguments)})"]
