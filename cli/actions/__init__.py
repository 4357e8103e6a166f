"""What the subcommands do, each in a module that its command imports when it is called."""

INTERRUPTED = 130
"""What a shell reports for a process that Ctrl-C ended: 128 + SIGINT."""
