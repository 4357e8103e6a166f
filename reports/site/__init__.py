"""A static site of many runs: what was measured, and how it changed."""
