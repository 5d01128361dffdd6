"""Ctrl-C in a fit of many: what is half trained is neither compared nor kept."""

from contextlib import contextmanager

import numpy as np
import pytest

from deltarule import MLPClassifier, PopulationSearchCV, TabularClassifier
from deltarule.training import epochs

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X.sum(1) > 0).astype(int)


@pytest.fixture
def interrupted(monkeypatch):
    """As if Ctrl-C were pressed in the first epoch of the n-th training."""
    left = [1]

    @contextmanager
    def interrupts():
        left[0] -= 1
        yield lambda: left[0] <= 0

    monkeypatch.setattr(epochs, "interrupts", interrupts)

    def at(number):
        left[0] = number

    return at


def test_a_search_is_over(interrupted):
    interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        PopulationSearchCV(MLPClassifier((3,), max_iter=5), {"alpha": [0.1, 1.0]}, cv=3).fit(X, Y)


@pytest.mark.parametrize("number", [1, 2, 3, 10**6])
def test_there_is_no_model_of_a_table(interrupted, number):
    interrupted(number)
    model = TabularClassifier(random_state=0)
    table = {name: list(column) for name, column in zip("abc", X.T, strict=True)}
    if number == 10**6:
        assert model.fit(table, Y).predict(table).shape == (60,)
        return
    with pytest.raises(KeyboardInterrupt):
        model.fit(table, Y)
    assert not hasattr(model, "report_")
