"""A new backend's distribution, ready to be filled in."""
