"""Worker processes: how they are started, confined, limited, read and ended."""
