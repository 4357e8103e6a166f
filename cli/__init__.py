"""The embcheck command, one thin module per subcommand."""
