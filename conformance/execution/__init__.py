"""Find backends, send cases to their worker processes, and judge the answers."""
