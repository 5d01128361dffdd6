"""Data sets: synthetic, from scikit-learn, published images and users' tables."""
