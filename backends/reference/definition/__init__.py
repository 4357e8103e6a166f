"""The documented behaviour in plain NumPy: what is refused, reduced and passed back."""
