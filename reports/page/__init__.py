"""The HTML report: its data, from merged runs, and the one file that they become."""
