"""PyTorch's documentation, sentence by sentence, and the clauses that cover it."""
