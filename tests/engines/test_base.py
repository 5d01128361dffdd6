import threadpoolctl

from deltarule.engines.base import one_blas_thread


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_what_it_had_outside() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() <= {1}
            with one_blas_thread():
                assert blas_threads() <= {1}
            assert blas_threads() <= {1}
        assert blas_threads() == before


def test_the_limit_holds_until_the_last_thread_has_left() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() <= {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before
