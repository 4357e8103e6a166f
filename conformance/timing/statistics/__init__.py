"""Intervals and verdicts from numbers alone."""
