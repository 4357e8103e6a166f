"""Ask backends: `processes` are their workers, `protocol` what these say, `judging` judges it."""
