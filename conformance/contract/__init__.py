"""What adapters and specs agree on; everything that an adapter's author reads."""
