"""A sweep in a process of its own, for tests that kill it."""

import sys
from pathlib import Path

RECIPE = """
[data]
name = "iris"
split = {test = 30}
scale = "standardize"
[network]
layers = ["auto", 4, "auto"]
output = "softmax"
dropout = 0.1
[loss]
name = "cross_entropy"
[optimizer]
name = "momentum"
batch_size = 16
[stopping]
max_epochs = 60
tolerance = 1e-5
[run]
seeds = 3
[grid]
"optimizer.learning_rate" = [0.1, 1e300, 0.01, 0.001]
"network.layers" = [["auto", 4, "auto"], ["auto", 3, "auto"], ["auto", "auto"]]
"network.dropout" = [0.0]
"stopping.max_epochs" = [20, 60]
"""

if __name__ == "__main__":
    from deltarule import sweep
    from deltarule.sweeps import grid

    grid.MAX_MEMBERS = 8
    folder = Path(sys.argv[1])
    (folder / "mine.toml").write_text(RECIPE, encoding="utf-8")
    sweep(folder / "mine.toml", out=folder / "out", resume=True, folds=2, keep=True, engine="reference")
