"""Ctrl-C while claims are judged: half a training proves nothing."""

import signal

import pytest

from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import load_recipe


def test_interrupted_training_is_not_judged():
    presses = [True]

    def press(what, seen):
        if presses:
            presses.clear()
            signal.raise_signal(signal.SIGINT)

    experiments = Experiments(load_recipe("encoder"), seeds=2, engine="reference", progress=press)
    settings = {"stopping.max_steps": 2000}
    with pytest.raises(KeyboardInterrupt):
        experiments.run(settings)
    assert experiments.run(settings).reasons == ("max_steps", "max_steps")  # trained anew, and whole
