"""Keras on OpenVINO: operations and layers, run when they are read; there are no gradients."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "openvino"

from keras import ops

from embcheck.backends.on_keras.calls import Engine, KerasCalls


def _read(observed: dict[str, Any]) -> dict[str, Any]:
    """Convert the tensors to arrays, which runs the graph that they stand for."""
    return {
        name: value if isinstance(value, bool) else ops.convert_to_numpy(value)
        for name, value in observed.items()
    }


def on_cpu() -> KerasCalls:
    """Make the backend `keras-openvino`."""
    # `ops.arange` in `lookups` makes these numbers.
    numbers = "numbers bags in 32 bits, for with 64 keras.ops.segment_sum and segment_max raise"
    return KerasCalls(
        Engine("openvino", finish=_read, made_from="openvino-ops", helps_bags=numbers)
    )
