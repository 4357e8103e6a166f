"""Adapters: one file per library and way of calling it."""
