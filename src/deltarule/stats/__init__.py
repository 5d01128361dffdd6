"""Statistics: metrics, confidence intervals, effects of hyperparameters, rankings, and decision planes."""
