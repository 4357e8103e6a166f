"""The operations that the contract covers."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Operation(StrEnum):
    """The documented operations, under PyTorch's names."""

    EMBEDDING = "embedding"
    """`torch.nn.functional.embedding(indices, weight, **options)`."""
    EMBEDDING_MODULE = "embedding_module"
    """`torch.nn.Embedding(**options)(indices)`: a fresh module with its own weight."""
    EMBEDDING_FROM_PRETRAINED = "embedding_from_pretrained"
    """`torch.nn.Embedding.from_pretrained(weight, **options)(indices)`."""
    EMBEDDING_BAG = "embedding_bag"
    """`torch.nn.functional.embedding_bag(indices, weight, offsets, **options)`."""
    EMBEDDING_BAG_MODULE = "embedding_bag_module"
    """`torch.nn.EmbeddingBag(**options)(indices, offsets)`."""
    EMBEDDING_BAG_FROM_PRETRAINED = "embedding_bag_from_pretrained"
    """`torch.nn.EmbeddingBag.from_pretrained(weight, **options)(indices, offsets)`."""
    ONE_HOT = "one_hot"
    """`torch.nn.functional.one_hot(indices, **options)`."""
    QUANTIZED_EMBEDDING = "quantized_embedding"
    """The same as `embedding`, in a table that is stored as the option `scheme` says."""
    QUANTIZED_EMBEDDING_BAG = "quantized_embedding_bag"
    """The same as `embedding_bag`, in a table that is stored as the option `scheme` says."""
    PROBE = "probe"
    """Something that only PyTorch itself can answer; the option `probe` names it."""

    @property
    def is_bag(self) -> bool:
        """Whether the operation reduces bags of rows."""
        return self.function in (Operation.EMBEDDING_BAG, Operation.QUANTIZED_EMBEDDING_BAG)

    @property
    def is_quantized(self) -> bool:
        """Whether the table is stored in fewer bits than it came in."""
        return self in QUANTIZED

    @property
    def of_floats(self) -> Operation:
        """The same operation on a floating-point table; itself if it is not quantised."""
        return Operation(self.value.removeprefix("quantized_"))

    @property
    def is_fresh(self) -> bool:
        """Whether the operation makes a module that draws its own weight."""
        return self.value.endswith("_module")

    @property
    def is_pretrained(self) -> bool:
        """Whether the operation makes a module around the caller's weight."""
        return self.value.endswith("_from_pretrained")

    @property
    def makes_module(self) -> bool:
        """Whether the operation makes a module, instead of calling a function."""
        return self.is_fresh or self.is_pretrained

    @property
    def function(self) -> Operation:
        """The function that the module calls; itself if the operation is a function."""
        return Operation(self.value.removesuffix("_module").removesuffix("_from_pretrained"))


QUANTIZED = (Operation.QUANTIZED_EMBEDDING, Operation.QUANTIZED_EMBEDDING_BAG)
# Stored tables are left out: they have no gradients, and few backends have them.
WITH_TABLE = tuple(
    operation
    for operation in Operation
    if operation not in (Operation.ONE_HOT, Operation.PROBE, *QUANTIZED)
)
"""The documented operations on floating-point tables."""
BAGS = tuple(operation for operation in Operation if operation.is_bag)
FRESH = tuple(operation for operation in Operation if operation.is_fresh)
PRETRAINED = tuple(operation for operation in Operation if operation.is_pretrained)


def is_for(
    operation: str, scheme: str | None, operations: Collection[str], schemes: Collection[str]
) -> bool:
    """Whether a call is for a backend that declares these operations and schemes.

    Probes and quantised lookups are only for the backends that declare them. Other backends are not
    asked, and that does not count against them. All other calls are for every backend.
    """
    if operation == Operation.PROBE:
        return operation in operations
    if operation in QUANTIZED:
        return operation in operations and scheme in schemes
    return True
