"""Timings: each package here imports only those before it.

`statistics`, `workloads`, `clock`, `verdicts`, `runs`.
"""
