import itertools

import numpy as np
import pytest
from figure_reading import assert_readable, marks_of, named

from deltarule.errors import BadInput
from deltarule.reports.marks import Cells, Dots
from deltarule.reports.sweep_figures import (
    MAX_RANKED,
    effects_matrix,
    ranking_with_intervals,
)
from deltarule.stats.effects import effects
from deltarule.stats.ranking import ranking

ODD = ["$x", "$y$", "_hidden", "W" * 200, "a\nb", "", "<b>", "\x1b[31mred\x1b[0m\x00"]


def a_grid(sizes, given_names, key=lambda place: f"section.key_{place}"):
    values = [[f"{number} {name}" for number, name in zip(range(size), given_names, strict=False)] for size in sizes]
    return [{key(at): value for at, value in enumerate(one)} for one in itertools.product(*values)]


def scores_of(settings, blocks, scale):
    random = np.random.default_rng(blocks)
    scores = scale * random.normal(size=(len(settings), blocks))
    scores[random.uniform(size=scores.shape) < 0.1] = np.nan
    scores[0] = scale
    return scores


def test_the_dots_of_the_matrix_are_the_effects_and_its_cells_the_pairs():
    settings = a_grid([3, 2], ["a", "b", "c"])
    found = effects(settings, scores_of(settings, 4, 1.0))
    figure = effects_matrix(found, quantity="accuracy")
    assert figure.panels[1] is None
    for panel, effect in ((0, found.marginal[0]), (3, found.marginal[1])):
        [dots] = marks_of(figure, Dots, panel)
        assert dots.y.tolist() == effect.mean.tolist()
        np.testing.assert_allclose(dots.intervals.T, [effect.mean - effect.half, effect.mean + effect.half])
    [cells] = marks_of(figure, Cells, 2)
    assert np.array_equal(cells.values, found.pairwise[0].mean.T)
    told = [text.split("\n") for row in cells.texts for text in row]
    np.testing.assert_allclose([float(one) for one, _ in told], found.pairwise[0].mean.T.ravel(), atol=0.006)
    np.testing.assert_allclose([float(half[1:]) for _, half in told], found.pairwise[0].half.T.ravel(), atol=0.006)


def test_the_ranking_says_whether_the_winner_is_more_than_noise():
    settings = [{"rate": float(place)} for place in range(30)]
    noise = np.random.default_rng(0).normal(0, 0.01, (30, 5))
    same = ranking_with_intervals(settings, ranking(noise), quantity="accuracy")
    assert "others may be as good as the first" in " ".join(same.notes) and "The first was chosen" in same.notes[1]
    better = ranking_with_intervals(settings, ranking(noise + (np.arange(30) == 7)[:, None]), quantity="accuracy")
    assert "The first is better than the 29 others, compared within 5 blocks" in " ".join(better.notes)
    assert named(better) == ["may be as good as the first", "surely behind it"]
    assert better.description.endswith(f"The first: 7, {1 + noise[7].mean():.4g}.")
    first, others = marks_of(better, Dots)
    assert len(first.x) == 1 and len(others.x) == MAX_RANKED - 1
    assert "with several seeds a fold this is the noise on these folds alone" in " ".join(better.notes)
    alone = ranking_with_intervals(settings, ranking(noise[:, :1]), quantity="accuracy")
    assert "needs several that have scores in the same two blocks" in " ".join(alone.notes)


def test_the_ranking_names_each_configuration_by_what_it_has_of_its_own():
    settings = [{"layers": ["auto", *[16] * 12, last, "auto"], "rate": rate} for last in (1, 2) for rate in (0.1, 0.5)]
    figure = ranking_with_intervals(settings, ranking(np.arange(4.0)[::-1, None]), quantity="accuracy")
    names = [name.partition(": ") for name in figure.panels[0].y.names]
    assert [rank for rank, _, _ in names] == ["1", "2", "3", "4"]
    assert len({name for _, _, name in names}) == 4 and all("…" in name for _, _, name in names)


@pytest.mark.filterwarnings("error")
def test_a_value_with_networks_that_diverged_is_named_with_their_number_and_never_the_best():
    settings = [{"optimizer.learning_rate": rate} for rate in (0.1, 1.0, 10.0)]
    scores = np.array([[0.5, 0.6, 0.55, 0.5], [0.7, 0.8, 0.75, 0.7], [-np.inf, -np.inf, 0.95, 0.94]])
    figure = effects_matrix(effects(settings, scores), quantity="R²")
    assert "learning rate: 1 +0.1, 0.1 -0.1." in figure.description
    assert "learning rate 10." in figure.description
    assert "Mean R² less that of those that never diverged (0.6375);" in " ".join(figure.notes)
    assert_readable(figure, is_matrix=True)
    more = [{**one, "stopping.max_epochs": epochs} for one in settings for epochs in (2, 10)]
    crossed = effects_matrix(effects(more, np.repeat(scores, 2, 0)), quantity="r squared on validation rows")
    assert " ".join(crossed.notes).endswith("with several seeds a fold this is the noise on these folds alone.")
    nothing = effects_matrix(effects(settings, np.where(np.eye(3), -np.inf, 0.5)), quantity="R²")
    assert "learning rate: not determined by this table." in nothing.description and "nan" not in " ".join(
        nothing.notes
    )


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[0.1, 0.2]], "The first is compared with none"),
        ([[-np.inf, -np.inf]] * 2, "The first is compared with none"),
        ([[0.1, 0.2, np.nan, np.nan], [np.nan, np.nan, 0.1, 0.2]], "The first is compared with none"),
        (
            [[0.1, 0.2, 0.3, 0.3], [0.1, 0.1, np.nan, np.nan], [np.nan, 0.1, 0.1, 0.1]],
            "2 of the 2 others may be as good as the first, compared within 2 blocks or more of",
        ),
    ],
)
def test_the_ranking_says_what_was_compared(scores, expected):
    settings = [{"rate": float(place)} for place in range(len(scores))]
    figure = ranking_with_intervals(settings, ranking(scores), quantity="accuracy")
    assert expected in " ".join(figure.notes) and "nan" not in figure.description


@pytest.mark.parametrize("missing", [np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_what_lacks_scores_is_neither_the_best_nor_compared(missing):
    settings = [{"rate": rate} for rate in (0.1, 1.0, 10.0)]
    scores = np.array([[0.5, 0.6, 0.55], [0.1, 0.2, 0.16], [0.9, missing, 0.95]])
    ranked = ranking_with_intervals(settings, ranking(scores), quantity="accuracy")
    assert ranked.panels[0].y.names == ["1: 0.1", "2: 1", "3: 10"]
    assert named(ranked) == ["may be as good as the first", "surely behind it"]
    dots = [row for dots in marks_of(ranked, Dots) for row in dots.y]
    assert dots == [0, 1], "survivors do not stand for all"
    assert "The first is better than the 1 other (1 lack scores)" in " ".join(ranked.notes)
    assert_readable(effects_matrix(effects(settings, scores), quantity="accuracy"), is_matrix=True)
    lacking = ranking_with_intervals(settings[1:], ranking([[0.1, 0.2, missing], [missing, 0.9, 1]]), quantity="share")
    assert "The first is compared with none" in lacking.notes[0]
    assert not named(lacking) and lacking.description.endswith("The first: 10, no mean.")
    shared = np.array([[0.5, 0.6, 0.7], [np.nan, np.nan, 0.9], [0.1, 0.2, np.nan]])
    few = ranking_with_intervals(settings, ranking(shared), quantity="accuracy")
    assert "not compared: lacks scores" in named(few)


def test_what_a_table_does_not_report_is_said_in_words():
    """The rate and the scale change together: which of them it was, nobody can say."""
    settings = [
        {"a.rate": rate, "a.scale": scale, "a.steps": steps} for rate, scale in ((1, 2), (3, 4)) for steps in (5, 6)
    ]
    figure = effects_matrix(effects(settings, [[0.1, 0.2], [0.3, 0.5], [0.6, 0.6], [0.8, 0.9]]), quantity="accuracy")
    for name in ("rate", "scale"):
        assert f"{name}: not determined by this table." in figure.description
    assert_readable(figure, is_matrix=True)


def test_configurations_that_are_alike_are_no_figure():
    with pytest.raises(BadInput):
        effects_matrix(effects([{"rate": 1.0}] * 2, [[1.0], [2.0]]), quantity="accuracy")
