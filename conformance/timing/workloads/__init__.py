"""What is timed: tables, traces of indices, a user's own, and the bytes that must move."""
