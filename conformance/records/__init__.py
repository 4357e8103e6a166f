"""Runs, results and measurements as JSON Lines."""
