"""Lookups composed of a library's array operations, and what composing them shares."""
