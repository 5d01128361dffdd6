"""Other forms of what was trained, for people and programs that do not have deltarule."""
