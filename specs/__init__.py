"""The contract as data: clauses, specs and workloads."""
