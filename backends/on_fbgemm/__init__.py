"""FBGEMM's table-batched embeddings, and TorchRec's collections of them."""
