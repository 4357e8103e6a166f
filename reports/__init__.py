"""Finished runs become tables, HTML and Markdown."""
