"""A random sample of a run's results, checked against the library alone."""
