"""Broken backends; each class says in one sentence what is wrong with it."""
