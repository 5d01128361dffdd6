"""The 8-3-8 one-hot encoder: a recipe, the claims of a report of 2020, and the convention that fits its figures."""
