"""Other people's code, checked as they wrote it."""
