"""A family that declares what its library reads when it is imported."""
