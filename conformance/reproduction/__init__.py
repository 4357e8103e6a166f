"""Standalone scripts that show a departure by the library's own API, ready for a bug report."""
