"""PyTorch's documentation as single sentences, and the clauses that cover each of them."""
