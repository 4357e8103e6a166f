"""YAML becomes clauses, specs and cases."""
