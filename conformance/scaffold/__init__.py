"""Write the distribution of a new backend, ready to be filled in, and CI jobs."""
