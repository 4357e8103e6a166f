"""The smoke test: checks that an adapter is sound."""
