import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from deltarule.estimators.sharing import shared


@given(st.lists(st.integers(), max_size=50), st.integers(1, 3))
def test_every_piece_is_worked_on_once(pieces: list[int], threads: int) -> None:
    done: list[int] = []
    with threadpool_limits(threads, "blas"):
        shared(done.append, pieces)
    assert sorted(done) == sorted(pieces)


def test_an_error_ends_the_work_on_whichever_thread_it_happens() -> None:
    for who in ("caller", "other"):
        begun = threading.Barrier(2)

        def work(piece: int, begun: threading.Barrier = begun, who: str = who) -> None:
            if piece < 2:
                begun.wait(60)  # so that both have a piece
                here = threading.current_thread() is threading.main_thread()
                if here == (who == "caller"):
                    raise ZeroDivisionError

        with threadpool_limits(2, "blas"), pytest.raises(ZeroDivisionError):
            shared(work, range(10))
