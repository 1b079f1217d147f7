"""What belongs to single lessons: exercises, explorers, figures, and the store of a person's labels."""
