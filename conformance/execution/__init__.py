"""Worker processes: start them, ask them, outlive them; `inside` runs there, `judging` judges."""
