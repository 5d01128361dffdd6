"""Training: stop rules, history, checkpoints, progress and divergence, once, for every engine."""
