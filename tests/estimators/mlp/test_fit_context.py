import numpy as np

from deltarule.estimators.mlp.fit_context import mean_curve


def test_a_stopped_member_counts_with_its_last_value() -> None:
    assert mean_curve(np.array([[1.0, 5.0], [2.0, np.nan], [3.0, np.nan]])) == [3.0, 3.5, 4.0]
    assert mean_curve(np.empty((0, 2))) == []
