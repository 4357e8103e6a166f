"""The files of a new backend's distribution."""
