"""What a backend may declare, beside its operations."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """Something optional that a backend declares, and is then held to."""

    GRADIENTS = "gradients"
    SPARSE_GRADIENTS = "sparse-gradients"
    TRAINING = "training"
    ADAGRAD = "adagrad"
    SPARSE_ADAM = "sparse-adam"
    MAX_NORM = "max-norm"
    PADDING_IDX = "padding-idx"
    SCALE_GRAD_BY_FREQ = "scale-grad-by-freq"
    PER_SAMPLE_WEIGHTS = "per-sample-weights"
    INCLUDE_LAST_OFFSET = "include-last-offset"
    SHARED_MEMORY = "shared-memory"
