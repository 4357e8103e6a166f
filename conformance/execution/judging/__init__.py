"""What an answer is worth: judgement, bounds, readings, and departures that are known."""
