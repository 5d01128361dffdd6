import numpy as np
import pytest

from deltarule.estimators.mlp.fit_context import Rows, mean_curve


def test_rows_of_zero_weight_are_dropped() -> None:
    rows = Rows(np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None], np.array([1.0, 0.0, 2.0]))
    weighted = rows.drop_zero_weights()
    assert weighted.x.tolist() == [[0, 1], [4, 5]] and weighted.y.tolist() == [[0], [2]]
    assert weighted.w is not None and weighted.w.tolist() == [1, 2]
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        rows._replace(w=np.zeros(3)).drop_zero_weights()


def test_a_stopped_member_counts_with_its_last_value() -> None:
    assert mean_curve(np.array([[1.0, 5.0], [2.0, np.nan], [3.0, np.nan]])) == [3.0, 3.5, 4.0]
    assert mean_curve(np.empty((0, 2))) == []
