"""Results of a run drawn by chance, and asked of the library alone."""
