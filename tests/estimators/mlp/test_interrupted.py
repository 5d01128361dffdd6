"""Ctrl-C in a fit of many: what is half trained is neither compared nor kept."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest

from deltarule import MLPClassifier, PopulationSearchCV, TabularClassifier
from deltarule.estimators.mlp.fit_context import require_complete_fit
from deltarule.training import recorder

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

    monkeypatch.setattr(recorder, "interrupts", interrupts)

    def at(number):
        left[0] = number

    return at


def test_a_search_is_over(interrupted):
    interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        PopulationSearchCV(MLPClassifier((3,), max_iter=5), {"alpha": [0.1, 1.0]}, cv=3).fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_search_has_no_best_estimator_that_is_half_trained(interrupted):
    search = PopulationSearchCV(MLPClassifier((3,), max_iter=5), {"alpha": [0.1, 1.0]}, cv=3)
    interrupted(2)  # the first training is that of all candidates together
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "best_estimator_")


def test_candidate_trained_alone_is_not_compared(interrupted):
    search = PopulationSearchCV(MLPClassifier((3,), max_iter=5, verbose=True), {"alpha": [0.1]}, cv=3)
    interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    interrupted(10**6)
    assert search.fit(X, Y).best_estimator_.n_iter_ == 5


class Own(MLPClassifier):
    """With a `fit` of its own."""

    def fit(self, *rows, **parameters):
        return super().fit(*rows, **parameters)


def test_nor_is_one_that_fits_itself(interrupted):
    interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        PopulationSearchCV(Own((3,), max_iter=5), {"alpha": [0.1]}, cv=3).fit(X, Y)


@pytest.mark.filterwarnings("ignore:Training interrupted by user")
def test_searches_in_threads_change_no_fit_afterwards(interrupted):
    begun, ended = threading.Barrier(2), threading.Event()

    def search():
        with require_complete_fit():
            begun.wait(10)
            ended.wait(10)

    interrupted(1)
    thread = threading.Thread(target=search)
    with require_complete_fit():
        thread.start()
        begun.wait(10)
    ended.set()  # the one that began later ends later
    thread.join()
    assert MLPClassifier((3,), max_iter=5).fit(X, Y).n_iter_ <= 1


@pytest.mark.slow
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
