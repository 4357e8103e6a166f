"""Compute which sizes the cases use, and which pairs of options they combine."""
