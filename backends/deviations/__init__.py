"""Known departures, one YAML file a backend."""
