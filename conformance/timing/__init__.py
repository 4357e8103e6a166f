"""Workloads, schedules, statistics and bandwidth."""
