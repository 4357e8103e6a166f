"""The contract between adapters and specs: everything that an adapter's author needs."""
