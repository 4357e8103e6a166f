"""The smoke test: tells a broken adapter from a library that is not compliant."""
