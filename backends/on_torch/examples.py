"""The sizes of the example tensors that exporters and tracers get instead of a call's tensors.

A size of 0 or 1 is taken from the call, since exporters document that they specialise on these. The
weight keeps its sizes beside `padding_idx`, which PyTorch compares with them. Two offsets that make
one bag by `include_last_offset` stay two. All other sizes are fixed and usually not the call's: if
an exporter or tracer takes over a size of an example, the call shows it.
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
