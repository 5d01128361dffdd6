"""What planted_mistakes.py and why_not_learning.py judge: networks with a planted mistake, or cause."""
