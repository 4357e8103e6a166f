"""The harness: suite, execution, timing and records."""
