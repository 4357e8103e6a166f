"""Whole timing runs: of workloads, prices and curves, and against an earlier run."""
