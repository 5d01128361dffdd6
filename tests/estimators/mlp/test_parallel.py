import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from deltarule.estimators.mlp import parallel, validation
from deltarule.estimators.mlp.classifier import MLPClassifier
from deltarule.estimators.mlp.parallel import all_finite, parallel_for


@given(st.lists(st.integers(), max_size=50), st.integers(1, 3))
def test_every_piece_is_worked_on_once(pieces: list[int], threads: int) -> None:
    done: list[int] = []
    with threadpool_limits(threads, "blas"):
        parallel_for(done.append, pieces)
    assert sorted(done) == sorted(pieces)


def test_an_error_ends_the_work_on_whichever_thread_it_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        parallel, "blas_threads", lambda: 2
    )  # also where there is no BLAS that can be told, as on macOS
    for who in ("caller", "other"):
        begun, done = threading.Barrier(2), list[int]()

        def work(piece: int, begun: threading.Barrier = begun, who: str = who, done: list[int] = done) -> None:
            if piece < 2:
                begun.wait(60)  # so that both have a piece
                here = threading.current_thread() is threading.main_thread()
                if here == (who == "caller"):
                    raise ZeroDivisionError
            time.sleep(0.001)
            done.append(piece)

        with pytest.raises(ZeroDivisionError):
            parallel_for(work, range(5000))
        assert len(done) < 5000 - 1, "nor does the other thread do the rest"


def blas_limits() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_blas_has_one_thread_while_pieces_are_worked_on() -> None:
    found: list[set[int]] = []
    with threadpool_limits(2, "blas"):
        before = blas_limits()
        parallel_for(lambda piece: found.append(blas_limits()), range(4))
        assert blas_limits() == before
    assert found == [{1 for _ in before}] * 4


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 10**6), st.sampled_from([np.nan, np.inf, -np.inf, 1e308]))
def test_one_number_that_is_not_finite_is_found_wherever_it_stands(
    rows: int, columns: int, place: int, odd: float
) -> None:
    """Numbers so large that their sum is infinite are finite all the same."""
    x = np.full((rows, columns), 1e308)
    x.flat[place % x.size] = odd
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "FINITE_CHECK_CHUNK_SIZE", 10)
        assert all_finite(x) == bool(np.isfinite(odd))


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_of_many_numbers_it_is_said_as_of_few(odd: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.zeros((30, 2)), np.arange(30) % 2
    x[17, 1] = odd
    said = []
    for many in (10, 100):
        monkeypatch.setattr(validation, "PARALLEL_CHECK_MIN_NUMBERS", many)
        with pytest.raises(ValueError, match="Input X contains") as raised:
            MLPClassifier(max_iter=1).fit(x, y)
        said.append(str(raised.value))
    assert said[0] == said[1]
