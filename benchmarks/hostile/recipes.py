"""Targets for recipes, their settings, and JSON files."""

import json

from hostile.changes import change_json
from hostile.target import Target, write_scratch

RECIPE = b"""[study]
title = "Mine"
[data]
name = {name = "one_hot", size = 4}
split = {validation = 0.25, seed = 3}
scale = "unit"
[network]
layers = ["auto", 3, "auto"]
activation = ["tanh"]
output = "softmax"
dropout = 0.1
[loss]
name = "cross_entropy"
penalty = "l2"
strength = 1e-4
[optimizer]
name = {name = "adam", beta1 = 0.9}
learning_rate = 0.5
schedule = {name = "step", every = 10, factor = 0.5}
[stopping]
max_steps = 30
patience = 5
[run]
seeds = [0, 1, 18446744073709551615]
[grid]
"optimizer.learning_rate" = [0.1, 1]
[[experiment]]
name = "wide"
about = "More units."
set = {"network.layers" = [4, 9, 4]}
[[assumption]]
what = "batch"
value = "full"
why = "It is not said."
"""


def _recipes() -> list[bytes]:
    from deltarule.recipes import STUDIES

    return [RECIPE, *(file.read_bytes() for file in sorted(STUDIES.glob("*/recipe.toml")))]


def _read_recipe(content: bytes) -> None:
    from deltarule.recipes import explain_recipe, load_recipe

    explain_recipe(load_recipe(write_scratch("r.toml", content)))


def _recipe_trees() -> list[bytes]:
    import tomllib

    return [json.dumps(tomllib.loads(text.decode())).encode() for text in _recipes()]


def _read_recipe_tree(content: bytes) -> None:
    from deltarule.problem.configuration import configuration_hash, parse, resolve_configuration

    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return
    if isinstance(tree, dict):
        configuration = parse(tree)
        resolve_configuration(configuration)
        configuration_hash(configuration)


SETTINGS = (b"optimizer.learning_rate=5", b"network.layers=[64, 8, 10]", b'data.name="iris"', b"run.engine=auto")


def _read_setting(content: bytes) -> None:
    from deltarule.recipes import load_recipe, parse_setting, with_settings

    try:
        text = content.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError:
        return
    with_settings(load_recipe("digits"), dict([parse_setting(text)]))


def _read_json(content: bytes) -> None:
    from deltarule.json_files import read_json, to_jsonable

    to_jsonable(read_json(write_scratch("r.json", content)))


TARGETS = (
    Target("recipe", _recipes, _read_recipe, 12),
    Target("recipe-tree", _recipe_trees, _read_recipe_tree, 30, change_json),
    Target("setting", lambda: list(SETTINGS), _read_setting, 6),
    Target("json", lambda: _recipe_trees()[:2], _read_json, 100, change_json),
)
