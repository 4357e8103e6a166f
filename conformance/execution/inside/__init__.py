"""Code that runs in worker processes; only such processes import it."""
