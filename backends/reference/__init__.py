"""The reference in NumPy, and the definitions of the operations that it is made of."""
