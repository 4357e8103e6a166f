"""Measures the suite by wrong implementations: each must fail a case of the clause it breaks."""
