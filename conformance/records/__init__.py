"""Write and read runs, results and measurements as JSON Lines."""
