import os
import subprocess
import sys

import pytest

FIT = """
import sys, warnings
import numpy as np
from deltarule import MLPClassifier, MLPRegressor
warnings.simplefilter("ignore")
x = np.random.default_rng(1).normal(size=(90, 60))
for classes in (2, 5):
    MLPClassifier(hidden_layer_sizes=(50,), engine="compiled", max_iter=2).fit(x, np.arange(90) % classes)
MLPRegressor(hidden_layer_sizes=(50,), engine="compiled", max_iter=2).fit(x, x[:, 1])
"""


@pytest.mark.slow
def test_what_is_warm_is_not_compiled_again(tmp_path):
    environment = os.environ | dict.fromkeys(("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"), str(tmp_path))
    programs = []
    for words in (["-m", "deltarule", "warm", "digits"], ["-c", FIT], ["-m", "deltarule", "run", "digits"]):
        done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True)
        programs.append({file.name for file in tmp_path.rglob("*.nbc")})
        if "warm" in words:
            ready = [line.partition(":")[0] for line in done.stdout.splitlines()]
            assert ready == ["MLPClassifier, several classes", "MLPClassifier, two classes", "MLPRegressor", "digits"]
    assert len(programs[0]) >= 3 and programs[0] == programs[1] == programs[2]


def test_a_study_that_there_is_not_is_refused(deltarule):
    status, _, err = deltarule("warm", "nosuch")
    assert status == 2 and "there is no study 'nosuch'" in err
