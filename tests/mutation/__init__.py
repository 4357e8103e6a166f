"""Measure the suite by wrong implementations: each must fail a case of each clause it breaks."""
