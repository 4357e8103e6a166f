"""The operations that the contract is about."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Operation(StrEnum):
    """The documented operations, named after what PyTorch calls them."""

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
    """The same as `embedding`, of a table that is stored by the option `scheme`."""
    QUANTIZED_EMBEDDING_BAG = "quantized_embedding_bag"
    """The same as `embedding_bag`, of a table that is stored by the option `scheme`."""
    PROBE = "probe"
    """Something that only PyTorch itself can be asked; the option `probe` names it."""

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
        """The operation that does the same without storing the table anew; of others, itself."""
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
        """Whether what PyTorch documents for the operation is a module."""
        return self.is_fresh or self.is_pretrained

    @property
    def function(self) -> Operation:
        """The function that does the same: the one that a module calls; of a function, itself."""
        return Operation(self.value.removesuffix("_module").removesuffix("_from_pretrained"))


QUANTIZED = (Operation.QUANTIZED_EMBEDDING, Operation.QUANTIZED_EMBEDDING_BAG)
# Stored tables are left out: they have no gradients, and few backends have them.
WITH_TABLE = tuple(
    operation
    for operation in Operation
    if operation not in (Operation.ONE_HOT, Operation.PROBE, *QUANTIZED)
)
"""The operations on tables of floating numbers, as PyTorch documents them."""
BAGS = tuple(operation for operation in Operation if operation.is_bag)
FRESH = tuple(operation for operation in Operation if operation.is_fresh)
PRETRAINED = tuple(operation for operation in Operation if operation.is_pretrained)


def is_for(
    operation: str, scheme: str | None, operations: Collection[str], schemes: Collection[str]
) -> bool:
    """Whether a call is for a backend that declares such operations and schemes.

    Probes, and lookups in stored tables, are for few backends. The others are not asked, and lack
    nothing by that.
    """
    if operation == Operation.PROBE:
        return operation in operations
    if operation in QUANTIZED:
        return operation in operations and scheme in schemes
    return True
