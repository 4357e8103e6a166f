"""What backends support, and what that means for somebody's needs."""
