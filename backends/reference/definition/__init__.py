"""The documented behaviour in plain NumPy: checks, reductions and gradients."""
