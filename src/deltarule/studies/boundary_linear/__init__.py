"""The boundary report's 100 points on two sides of a diagonal."""
