import numpy as np
import pytest

from deltarule.estimators.mlp.scaling_checks import other_scale


@pytest.mark.parametrize(("rows", "size", "told"), [(9, 11.0, False), (10, 9.0, False), (10, 11.0, True)])
def test_a_scale_is_another_one_from_ten_times_and_ten_rows_on(rows: int, size: float, told: bool) -> None:
    assert bool(other_scale(np.full((rows, 1), size), np.ones((90, 1)), str)) == told
