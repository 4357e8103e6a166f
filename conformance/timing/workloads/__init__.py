"""What is timed: tables and index traces, a user's own ones too, and the bytes that calls move."""
