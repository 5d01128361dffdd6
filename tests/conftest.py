import signal
import sys

import numpy as np
import pytest

# What runs in the background, or under nohup, is started with these ignored, and so is all that it starts: then nothing
# that a test sends would arrive.
for name in ("SIGINT", "SIGHUP"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _numbers_of_its_own(request):
    """What a test draws from its module's `RANDOM` does not hang on which tests ran before it in its process."""
    random = getattr(request.module, "RANDOM", None)
    if isinstance(random, np.random.Generator):
        random.bit_generator.state = np.random.default_rng(23).bit_generator.state


@pytest.fixture
def one_candidate(request, monkeypatch):
    """A fit to a table tries one candidate, not 14, and makes two networks of it, in at most 40 epochs.

    For files whose tests ask what is done with a table; those that ask how good the model is, or what the search
    does, are marked `complete_search`.
    """
    from deltarule.estimators.tabular import training_budget

    if request.node.get_closest_marker("complete_search") is None:
        one = {"hidden_layer_sizes": [(64,)], "learning_rate_init": [0.01], "alpha": [1e-4]}
        monkeypatch.setattr(training_budget, "CANDIDATES", (one,))
        monkeypatch.setattr(training_budget, "MAX_MEMBERS", 2)
        monkeypatch.setattr(training_budget, "EPOCHS_RANGE", (10, 40))


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Downloads go to a port where nobody answers, and the cache is a folder that is empty."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy", "DELTARULE_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def deltarule(monkeypatch, capsys):
    """Run the program as the console script does: its status, what it printed, and what it said on stderr."""
    from deltarule.cli import main

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["deltarule", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return called
