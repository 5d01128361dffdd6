from deltarule.estimators.budget import folds_of, search_rows


def test_few_rows_have_more_folds() -> None:
    assert folds_of(10) == 5 and folds_of(5000) == 3


def test_more_classes_are_more_work() -> None:
    """So that a search takes as long for hundreds of classes as for three."""
    rows = [search_rows(20, 10**6, outputs) for outputs in (1, 3, 30, 300)]
    assert rows == sorted(rows, reverse=True) and rows[0] > 1.5 * rows[2] and rows[3] == 1000
