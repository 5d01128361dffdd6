"""Statistics: metrics, intervals and effects."""
