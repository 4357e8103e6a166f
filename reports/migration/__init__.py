"""What changes for who moves from one backend to another."""
