"""Calls as FBGEMM's table-batched embeddings (TBE) take them: flat indices, and B + 1 offsets.

FBGEMM documents offsets that end with the number of indices, as with `include_last_offset`. If a
call's offsets do not, that number is appended. A matrix of bags is flattened, and its offsets are
made. A lookup is made of bags of one index each, as FBGEMM itself spells sequence embeddings:
https://github.com/pytorch/FBGEMM/pull/582. Nothing is checked or cast on the way. Bags without
offsets must be a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import fbgemm_gpu
import torch
from fbgemm_gpu.split_embedding_configs import SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import PoolingMode
from torch import Tensor

from embcheck.backends.composed import composition
from embcheck.backends.on_torch.device import require_cuda
from embcheck.conformance.contract.backend import Provided, Provision, Unavailable, Unsupported
from embcheck.conformance.contract.call import Call, Operation
from embcheck.conformance.contract.help import helps
from embcheck.conformance.contract.options import TABLE_OPTIONS

VERSION = fbgemm_gpu.__version__

_POOLING = {"sum": PoolingMode.SUM, "mean": PoolingMode.MEAN}


def provided(table: str) -> dict[Operation, Provided]:
    """Return how a lookup and bags are provided by the TBE of that name."""
    rows = f"{table}(pooling_mode=NONE)(indices.flatten(), torch.arange(n + 1))"
    bags = (
        f"{table}(pooling_mode=SUM or MEAN)(indices, offsets, per_sample_weights); a matrix is "
        "flattened, and offsets without the last one get the number of indices appended"
    )
    return {
        Operation.EMBEDDING: Provided(Provision.COMPOSED, rows),
        Operation.EMBEDDING_FROM_PRETRAINED: Provided(Provision.COMPOSED, rows),
        Operation.EMBEDDING_BAG: Provided(Provision.NATIVE, bags),
        Operation.EMBEDDING_BAG_FROM_PRETRAINED: Provided(Provision.NATIVE, bags),
    }


def expect_expressible(
    call: Call,
    library: str,
    operations: Collection[Operation],
    observations: Collection[str],
    *,
    for_matrices: bool = True,
) -> None:
    """Raise Unsupported for a call that a table of FBGEMM or TorchRec cannot express."""
    if call.operation not in operations:
        raise Unsupported(f"{library} has no {call.operation}")
    options = [*(composition.BAG_OPTIONS if call.operation.is_bag else ())]
    if call.operation.is_pretrained:
        options.append("freeze")
    if call.operation.is_quantized:
        options.append("scheme")
    if call.operation.is_fresh:
        options += TABLE_OPTIONS
    composition.expect_only(call, library, options, observations)
    mode = call.option("mode")
    if call.operation.is_bag and mode not in _POOLING:
        raise Unsupported(f"{library} pools by sum or mean, and has no mode {mode!r}")
    if "weight" in call.inputs and call.inputs["weight"].ndim != 2:
        raise Unsupported(f"a table of {library} is told two sizes, of rows and columns")
    if call.operation.is_bag:
        composition.expect_bounds(call, for_matrices=for_matrices)


def pooling_of(call: Call) -> PoolingMode:
    """Return the pooling mode of a call's operation."""
    is_bag = call.operation.is_bag
    # NONE is how FBGEMM spells lookups: rows that are not pooled.
    return _POOLING[call.option("mode")] if is_bag else PoolingMode.NONE


def shape_and_dtype(call: Call, tensors: Mapping[str, Tensor]) -> tuple[Any, torch.dtype]:
    """Return the sizes and the dtype of a call's table, given or fresh."""
    if "weight" in tensors:
        return tuple(tensors["weight"].shape), tensors["weight"].dtype
    sizes = call.options["num_embeddings"], call.options["embedding_dim"]
    return sizes, getattr(torch, call.option("dtype"))


def flat_bags(call: Call, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return flat indices and the B + 1 offsets of their bags; None where a call has none."""
    indices, offsets = tensors["indices"], tensors.get("offsets")
    if offsets is None and indices.ndim == 2:
        bags, length = indices.shape
        helps("flattens a matrix of bags, and makes its offsets")
        return indices.flatten(), length * torch.arange(bags + 1, device=indices.device)
    if offsets is None or call.option("include_last_offset"):
        return indices, offsets
    helps("appends the number of indices to the offsets")
    return indices, torch.cat([offsets, offsets.new_tensor([indices.numel()])])


def flat_factors(tensors: Mapping[str, Tensor]) -> Tensor | None:
    """Return the per-sample weights in the order of the flat indices, None if there are none."""
    factors = tensors.get("per_sample_weights")
    return factors.flatten() if factors is not None and "offsets" not in tensors else factors


def precisions(dtype: torch.dtype) -> dict[str, SparseType]:
    """Return the options for a table and an output of a dtype; FBGEMM raises for other dtypes."""
    return {
        "weights_precision": SparseType.from_dtype(dtype),
        "output_dtype": SparseType.from_dtype(dtype),
    }


@dataclass(frozen=True)
class Tbe:
    """A TBE for one call: the module, a view (V, D) of its table, and the caller's tensors."""

    call: Call
    module: Callable[..., Any]
    table: Tensor
    tensors: dict[str, Tensor]

    def look_up(self) -> Tensor:
        """Call the module; a lookup's rows get the shape of the indices."""
        indices, factors = self.tensors["indices"], flat_factors(self.tensors)
        if self.call.operation.is_bag:
            bags = flat_bags(self.call, self.tensors)
            weights = {} if factors is None else {"per_sample_weights": factors}
            pooled: Tensor = self.module(*bags, **weights)
            return pooled
        helps("makes a bag of each index, and gives the rows the shape of the indices")
        bounds = torch.arange(indices.numel() + 1, device=indices.device)
        rows: Tensor = self.module(indices.flatten(), bounds)
        return rows.view(*indices.shape, self.table.shape[1])


def require_kernels() -> None:
    """Raise Unavailable without a CUDA device, or in a build of FBGEMM without its kernels."""
    require_cuda()
    # A build without kernels imports, and sees the GPU: only its first call would fail.
    if not torch._C._dispatch_has_kernel_for_dispatch_key(  # noqa: SLF001  (no public spelling)
        "fbgemm::bounds_check_indices", "CUDA"
    ):
        raise Unavailable(f"fbgemm_gpu {VERSION} is a build without CUDA kernels")
