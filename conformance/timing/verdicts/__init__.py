"""What rounds come to: ratios, verdicts, figures, and what the machine could do."""
