"""From rounds to ratios, verdicts and figures, beside the machine's limits."""
