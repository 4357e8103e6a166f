"""Judge answers: error bounds, ties, readings, verdicts and known deviations."""
