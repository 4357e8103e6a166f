"""A worker as a process: how it is started, held to limits, read, and ended."""
