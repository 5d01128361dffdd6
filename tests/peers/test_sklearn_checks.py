"""scikit-learn's own checks of estimators, all of them, on ours."""

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest
from sklearn import neural_network
from sklearn.utils.estimator_checks import parametrize_with_checks

from deltarule import MLPClassifier, MLPRegressor

ESTIMATORS = [MLPClassifier(), MLPRegressor(), MLPClassifier(solver="lbfgs"), MLPRegressor(solver="lbfgs")]

# L-BFGS drives the logits of separable labels so far that their probability is 1.0, and the check wants less.
FAILED_BY_BOTH = {("MLPClassifier", "lbfgs", "check_classifiers_multilabel_output_format_predict_proba")}


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_check_of_scikit_learn(estimator: Any, check: Any) -> None:
    kind = type(estimator).__name__
    counterpart = getattr(neural_network, kind)(solver=estimator.solver)
    if (kind, estimator.solver, check.func.__name__) in FAILED_BY_BOTH:
        fails(check, counterpart, AssertionError)
        fails(check, estimator, AssertionError)
        return
    try:
        check(estimator)
    except SkipTest:
        fails(check, counterpart, SkipTest)


def fails(check: Callable[[Any], None], estimator: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(estimator)
