"""What backends support, and what that means for a user's needs."""
