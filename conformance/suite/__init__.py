"""Read YAML files as clauses, specs and cases."""
