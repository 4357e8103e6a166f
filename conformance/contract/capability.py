"""What a backend may declare, beside its operations."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """Something optional that a backend declares, and is then held to."""

    GRADIENTS = "gradients"
    """The library differentiates a lookup; the adapter returns the gradients."""
    SPARSE_GRADIENTS = "sparse-gradients"
    """It has a gradient that stores only the rows that were looked up (`sparse=True`)."""
    TRAINING = "training"
    """A step of plain SGD changes the table, and can be seen."""
    ADAGRAD = "adagrad"
    """So does a step of Adagrad."""
    SPARSE_ADAM = "sparse-adam"
    """So does a step of SparseAdam, on a sparse gradient."""
    MAX_NORM = "max-norm"
    """Rows that are looked up are shortened to a norm, in the caller's table."""
    PADDING_IDX = "padding-idx"
    """One row has no gradient, and counts in no bag."""
    SCALE_GRAD_BY_FREQ = "scale-grad-by-freq"
    """A row's gradient is divided by how often the call names the row."""
    PER_SAMPLE_WEIGHTS = "per-sample-weights"
    """Rows are multiplied by a weight each before a bag adds them up."""
    INCLUDE_LAST_OFFSET = "include-last-offset"
    """The last offset is the end of the last bag, and not the start of another."""
    SHARED_MEMORY = "shared-memory"
    """Whether memory is the caller's own can be seen."""
