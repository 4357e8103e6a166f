"""Triton's kernels compile for a GPU, without having one."""

from __future__ import annotations

import pytest

triton = pytest.importorskip("triton", reason="the kernels need Triton")

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from embcheck.backends.on_triton import kernels as triton_kernels  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION:UserWarning")

HOPPER = GPUTarget("cuda", 90, 32)


def compiled(kernel, signature: dict, constants: dict) -> str:
    """Return the assembly of a kernel; parameters without a type are 32-bit integers."""
    hints = dict.fromkeys(kernel.arg_names, "i32") | signature
    constant = dict.fromkeys(constants, "constexpr")
    source = ASTSource(kernel, hints | constant, constants)
    return str(triton.compile(source, target=HOPPER).asm["ptx"])


@pytest.mark.parametrize("index", ["*i32", "*i64"])
@pytest.mark.parametrize("table", ["*fp64", "*fp32", "*fp16", "*bf16"])
def test_lookups_compile(table, index):
    """The lookup kernel compiles for every dtype of tables and indices."""
    pointers = {"output": table, "weight": table, "indices": index}
    assert ".visible .entry copy_rows" in compiled(
        triton_kernels.copy_rows, pointers, {"rows": 32, "block": 4}
    )


@pytest.mark.parametrize("weights", [None, "*fp32"])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_compile(mode, weights):
    """The bag kernel compiles for every mode, with weights and without."""
    pointers = {"output": "*fp32", "weight": "*fp32", "indices": "*i64", "bounds": "*i64"}
    constants = {"mode": mode, "precision": triton.language.float32, "block": 4}
    per_sample = {"per_sample_weights": weights}
    pointers, constants = (
        (pointers, constants | per_sample)
        if weights is None
        else (pointers | per_sample, constants)
    )
    assert ".visible .entry reduce_rows" in compiled(
        triton_kernels.reduce_rows, pointers, constants
    )
