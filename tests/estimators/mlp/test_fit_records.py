import numpy as np
import pytest

from deltarule.estimators.mlp.fit_records import Rows, curve, with_weight


def test_rows_of_weight_0_are_not_there() -> None:
    rows = Rows(np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None], np.array([1.0, 0.0, 2.0]))
    kept = with_weight(rows)
    assert kept.x.tolist() == [[0, 1], [4, 5]] and kept.y.tolist() == [[0], [2]]
    assert kept.w is not None and kept.w.tolist() == [1, 2]
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        with_weight(rows._replace(w=np.zeros(3)))


def test_a_member_that_ended_counts_with_its_last_value() -> None:
    assert curve(np.array([[1.0, 5.0], [2.0, np.nan], [3.0, np.nan]])) == [3.0, 3.5, 4.0]
    assert curve(np.empty((0, 2))) == []
