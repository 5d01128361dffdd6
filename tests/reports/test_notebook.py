from types import SimpleNamespace

import numpy as np
import pytest
from figure_reading import assert_readable, points_of
from IPython.core.formatters import DisplayFormatter

import deltarule
from deltarule.checking.problem_gradient import check_problem
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.reports.figures import objective_curves
from deltarule.reports.notebook import LivePlot, register, run_html, sweep_html
from deltarule.training.train import Progress, train

X, Y = np.eye(4), np.eye(4)
PROBLEM = create_problem(Network([4, 2, 4], "tanh"), X, Y, learning_rate=0.1, seeds=range(3))


@pytest.fixture
def shown():
    """What a notebook makes of an object."""
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    register(shell)
    return lambda one: shell.display_formatter.format(one)[0].get("text/html", "")


@pytest.mark.slow
def test_runs_sweeps_and_gradient_reports_show_themselves(shown):
    run = train(PROBLEM, max_steps=20)
    table = deltarule.sweep("encoder", {"optimizer.learning_rate": [1.0, 10.0], "stopping.max_steps": [20]}, seeds=2)
    assert "<svg" in shown(run) and "3, " in shown(run)
    assert "Is the winner more than noise?" in shown(table) and "learning rate" in shown(table)
    assert "entries: <span" in shown(check_problem(PROBLEM, members=[0]))
    assert "<svg" in shown(objective_curves(run))
    assert shown(3) == ""


def test_a_gradient_that_is_wrong_is_reported():
    wrong = check_problem(PROBLEM, members=[0], gradient=np.ones((1, PROBLEM.network.parameters)))
    assert "WRONG" in wrong._repr_html_() and "the gradient at" in wrong._repr_html_()


def test_a_run_reports_who_diverged_and_names_are_text():
    problem = create_problem(Network([1, 1]), [[1.0], [2.0]], [0.0, 1.0], learning_rate=[0.1, 1e200], seeds=[0, 1])
    run = train(problem, max_steps=50)
    assert "member 1 after update" in run_html(run)
    from dataclasses import replace

    assert "&lt;script&gt;" in run_html(replace(run, notes=("<script>",)))


def test_a_sweep_without_scores_is_reported():
    table = SimpleNamespace(
        scores=lambda: ([{}], np.full((1, 1), np.nan)), quantity="r squared on train rows", name="mine", diverged=1
    )
    empty = type("Sweep", (SimpleNamespace,), {"__len__": lambda self: 1})(**vars(table))
    assert sweep_html(empty) == "<p>mine: 1 row, 1 of them diverged; mean r squared on train rows: none yet</p>"


@pytest.mark.slow
def test_the_live_plot_is_what_was_told(capsys):
    live, told = LivePlot(every=0.0), []
    train(PROBLEM, max_steps=400, progress=lambda seen: (told.append(seen), live(seen)))
    chart = live.chart()
    assert_readable(chart)
    assert points_of(chart.panels[0].marks[0]) == ([one.step for one in told], [one.objective for one in told])


def test_another_training_begins_another_plot(capsys):
    live = LivePlot()
    for step in (10, 20, 5):
        live(Progress(step, 100, 1, 0, 0, 1.0, 0, 0.5))
    assert live.steps == [5]
