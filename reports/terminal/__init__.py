"""Runs, cases and differences in a terminal: 80 columns, plain ASCII where nobody watches."""
