"""Differential fuzzing: generated calls, a backend beside the reference, findings as cases."""
