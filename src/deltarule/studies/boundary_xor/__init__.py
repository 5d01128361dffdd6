"""The boundary report's 21 points on the two diagonals of a square."""
