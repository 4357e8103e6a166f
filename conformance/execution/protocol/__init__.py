"""The protocol between harness and worker: frames, their fields, and the checks of both."""
