"""The HTML report: its data, made from merged runs, and the single HTML file."""
