"""How far the cases reach: the sizes that they ask, and the options that they ask together."""
