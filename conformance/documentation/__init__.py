"""What the documentation says, sentence by sentence, and which clauses cover it."""
