"""Worker processes: ask a backend, judge the answer."""
