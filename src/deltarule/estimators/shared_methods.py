"""Methods that the estimators on arrays and those on tables share."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


def share_docstring(subclass: type, **sections: str) -> None:
    """Insert the sections of a base class into a subclass's docstring, in place of their names."""
    if subclass.__doc__:  # python -OO drops docstrings
        text = inspect.cleandoc(subclass.__doc__)
        for name, section in sections.items():
            text = text.replace(name, inspect.cleandoc(section))
        subclass.__doc__ = text


class SavedEstimator(BaseEstimator):
    """An estimator that a model file holds."""

    def save(self, path: str | Path) -> None:
        """Write the fitted model to a file that `deltarule.load_model` reads.

        Parameters
        ----------
        path : str or Path
        """
        import_module("deltarule.estimators.model_file").save_model(self, path)  # on use: it imports the estimators


class ProbabilityMixin(ClassifierMixin):
    """A classifier with probabilities."""

    predict_proba: Any

    def predict_log_proba(self, X: Any) -> Any:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : as for `predict_proba`

        Returns
        -------
        ndarray, [N, C]
        """
        with np.errstate(divide="ignore"):  # the logarithm of 0 is −∞
            return np.log(self.predict_proba(X))
