"""JAX by its indexing functions, and Flax and Equinox by their layers."""
