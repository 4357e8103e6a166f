"""Templates for the files of a new backend's distribution, and for CI jobs."""
