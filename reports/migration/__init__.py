"""What changes for a user who moves from one backend to another."""
