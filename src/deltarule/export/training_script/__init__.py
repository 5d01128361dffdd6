"""Trainings as plain NumPy scripts, for people who want to read all of it and to change it."""
