"""Files as a hostile hand might make them, for every parser: good ones, what reads them, and how they are changed."""

from hostile import images, models, recipes, results, tables

TARGETS = (*models.TARGETS, *recipes.TARGETS, *images.TARGETS, *tables.TARGETS, *results.TARGETS)
