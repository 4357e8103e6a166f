"""The `embcheck` command, as `python -m embcheck.cli`."""

from embcheck.cli.main import main

main()
