"""What runs inside a worker process: only its own modules, and other such processes, import it."""
