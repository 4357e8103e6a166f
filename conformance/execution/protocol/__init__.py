"""What harness and worker say to each other: frames, their fields, and the checks of both."""
