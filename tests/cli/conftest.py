import pytest

OWN = """
[data]
file = "own.csv"
target = "y"
[network]
layers = ["auto", "auto"]
[stopping]
max_steps = 3
"""


@pytest.fixture
def own_recipe():
    """A function that writes a recipe, own.toml, into a folder, and the data that it names, own.csv, beside it."""

    def written(folder):
        (folder / "own.toml").write_text(OWN, encoding="utf-8")
        (folder / "own.csv").write_text("x,y\n1,2\n2,4.5\n3,6\n", encoding="utf-8")

    return written
