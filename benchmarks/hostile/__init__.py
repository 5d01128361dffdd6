"""Targets of benchmarks/fuzz.py: for every parser good files, a function that reads one, and how to change one."""

from hostile import models, recipes, results, tables

TARGETS = (*models.TARGETS, *recipes.TARGETS, *tables.TARGETS, *results.TARGETS)
