"""Code to copy: lookups and bags as PyTorch documents them, in other libraries, and their adapters.

A file `with_LIBRARY.py` needs that library alone.
"""
