"""The optional features that a backend may declare."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """An optional feature that a backend declares, and is then tested for."""

    GRADIENTS = "gradients"
    """The library differentiates a lookup, and the adapter returns the gradients."""
    SPARSE_GRADIENTS = "sparse-gradients"
    """The library has a gradient that stores only the rows that were looked up (`sparse=True`)."""
    TRAINING = "training"
    """The library makes a step of plain SGD, and the adapter returns the changed table."""
    ADAGRAD = "adagrad"
    """The same for a step of Adagrad."""
    SPARSE_ADAM = "sparse-adam"
    """The same for a step of SparseAdam, on a sparse gradient."""
    MAX_NORM = "max-norm"
    """A row that is looked up and is too long is shortened to a norm, in the caller's table."""
    PADDING_IDX = "padding-idx"
    """The padding row has no gradient, and bags leave it out."""
    SCALE_GRAD_BY_FREQ = "scale-grad-by-freq"
    """A row's gradient is divided by how often the indices name the row."""
    PER_SAMPLE_WEIGHTS = "per-sample-weights"
    """Each row is multiplied by its own weight before the rows of a bag are added up."""
    INCLUDE_LAST_OFFSET = "include-last-offset"
    """The last offset is the end of the last bag, not the start of another bag."""
    SHARED_MEMORY = "shared-memory"
    """The adapter can tell whether a weight or an output shares memory with the caller's table."""
