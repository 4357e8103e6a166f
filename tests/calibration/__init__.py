"""How often timings are wrong: the same work twice, and extra work of a known size."""
