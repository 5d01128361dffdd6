"""The 8-3-8 one-hot encoder: a recipe, and the claims of a report of 2020."""
