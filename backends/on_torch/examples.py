"""The sizes of what exporters and tracers see in place of a call's own tensors.

Sizes of 0 and 1 are the call's: exporters document that they specialise on these. So are the
weight's beside `padding_idx`, to which PyTorch compares them, and two offsets that make one bag by
`include_last_offset`. Others differ from the call's, so that what an exporter or tracer takes from
an example shows in the call.
"""

from __future__ import annotations

from itertools import chain, repeat

from embcheck.conformance.contract.call import Call

_SIZES = {
    "weight": (5, 7),
    "offsets": (3,),
    "indices": (2, 3),
    "per_sample_weights": (2, 3),
}


def example_sizes(call: Call, name: str) -> tuple[int, ...]:
    """Return the shape of the example for one of the call's inputs."""
    shape = call.inputs[name].shape
    if name == "weight" and call.option("padding_idx") is not None:
        return shape
    if name == "offsets" and shape == (2,) and call.option("include_last_offset"):
        return shape
    usual = chain(_SIZES[name], repeat(2))
    return tuple(size if size < 2 else example for size, example in zip(shape, usual, strict=False))
