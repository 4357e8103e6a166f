"""Lookups composed of a library's array operations, and the helpers that they share."""
