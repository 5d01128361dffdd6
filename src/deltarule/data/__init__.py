"""Data sets: synthetic, bundled with scikit-learn, published images, and numeric tables of a user."""
