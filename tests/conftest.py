import signal
import sys

import numpy as np
import pytest

# A process in the background, or under nohup, starts with these signals ignored, as do its children: then no signal
# that a test sends would arrive.
for name in ("SIGINT", "SIGHUP"):
    number = getattr(signal, name, None)
    if number is not None and signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _reset_generators(request):
    """Reset the generators of the test's module and NumPy's global one, so that every run draws the same numbers.

    An estimator without a `random_state` draws from the global one, as in scikit-learn.
    """
    np.random.seed(23)
    for value in vars(request.module).values() if request.module else ():
        if isinstance(value, np.random.Generator):
            value.bit_generator.state = np.random.default_rng(23).bit_generator.state


@pytest.fixture
def one_candidate(request, monkeypatch):
    """Make a fit to a table faster: one candidate instead of ten, two networks, at most 12 epochs.

    For files that test how tables are handled; tests of the model's quality, or of the search, are marked
    `complete_search`.
    """
    from deltarule.estimators.tabular import candidate_search

    if request.node.get_closest_marker("complete_search") is None:
        one = {"hidden_layer_sizes": [(64,)], "learning_rate_init": [0.01], "alpha": [1e-4], "max_iter": [12]}
        monkeypatch.setattr(candidate_search, "CANDIDATES", (one,))
        monkeypatch.setattr(candidate_search, "MAX_MEMBERS", 2)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Make downloads fail, by a port where nobody answers, and use an empty folder as the cache."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for name in ("NO_PROXY", "no_proxy", "DELTARULE_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def deltarule(monkeypatch, capsys):
    """Return a function that runs the program with some words, and returns its status, stdout and stderr."""
    from deltarule.cli import main

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["deltarule", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out, output.err

    return called
