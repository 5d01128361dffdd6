from hypothesis import given
from hypothesis import strategies as st

from deltarule.estimators.scores import Scores
from deltarule.estimators.wording import score_lines


@given(st.data(), st.integers(1, 10**6))
def test_all_and_none_are_said_of_all_and_none_alone(data: st.DataObject, of: int) -> None:
    count = data.draw(st.sampled_from([0, 1, of // 2, of - 1, of]))
    told = dict(score_lines(Scores("accuracy", of, count / of, 0.0, 1.0, 0.5), "a"))["accuracy"].split(" %")[0]
    assert (float(told) == 100) == (count == of) and (float(told) == 0) == (count == 0)
    assert abs(float(told) - 100 * count / of) <= 0.05
    assert len(told) <= 4 or not 0.05 <= 100 * count / of < 99.95  # more digits only where they are needed


def test_a_score_stands_beside_its_baseline() -> None:
    scores = Scores("accuracy", 10, 0.9, 0.6, 0.98, 0.8, log_loss=0.25, baseline_log_loss=0.5, area_under_roc=0.75)
    told = dict(score_lines(scores, "no"))
    assert told["log loss"] == "0.2500, 0.5000 where every row is told the same"
    assert told["area under ROC"] == "0.750, 0.5 by chance"
