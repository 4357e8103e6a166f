"""From rounds to ratios, verdicts and figures; the machine's limits."""
