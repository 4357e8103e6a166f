"""Differential fuzzing: generated calls to a backend and the reference; findings become cases."""
