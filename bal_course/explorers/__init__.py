"""The explorers of the lessons, one idea each."""
