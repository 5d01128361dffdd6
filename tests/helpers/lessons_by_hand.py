"""The lessons' numbers in Python's arithmetic, spellings of right answers, and slips, without the pages' own tables."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

Values = dict[str, float]
Rounding = Callable[[float], float]


@dataclass(frozen=True)
class ByHand:
    """A lesson computed apart.

    compute : all numbers from the given ones, each rounded as soon as it is known.
    spellings : for each blank, formulas that people may write.
    slips : kind, blank, the wrong number, words that the page's sentence must have.
    """

    compute: Callable[[Values, Rounding], Values]
    spellings: dict[str, list[str]]
    slips: list[tuple[str, str, Callable[[Values], float], str]]

    @property
    def blanks(self) -> list[str]:
        return list(self.spellings)


def exact(value: float) -> float:
    return value


def rounded(value: float, digits: int = 3) -> float:
    """As people round: half a unit goes away from zero, −2.255 to −2.26."""
    decimal = Decimal(f"{value:.12g}")
    return float(Context(digits, ROUND_HALF_UP).plus(decimal))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def slope_at(z: float) -> float:
    return sigmoid(z) * (1 - sigmoid(z))


# --- a slope ---------------------------------------------------------------------------------------------------------


def slope(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    v["z"] = rounding(v["x"] * v["w"])
    v["r"] = rounding(v["z"] - v["y"])
    v["J"] = rounding(v["r"] ** 2)
    v["dw"] = rounding(2 * v["r"] * v["x"])
    v["new"] = rounding(v["w"] - v["rate"] * v["dw"])
    v["J1"] = rounding((v["x"] * v["new"] - v["y"]) ** 2)
    return v


SLOPE = ByHand(
    slope,
    {
        "z": ["x*w", "w x"],
        "r": ["z - y", "x*w - y"],
        "J": ["r^2", "(z - y)²", "r*r"],
        "dw": ["2*r*x", "2 x (z − y)"],
        "new": ["w - rate*dw", "w − α·∂J/∂w"],
        "J1": ["(x*new - y)^2", "(new x − y)**2"],
    },
    [
        ("added", "z", lambda v: v["x"] + v["w"], "Added instead"),
        ("sign", "r", lambda v: v["y"] - v["z"], "sign is turned"),
        ("w for z", "r", lambda v: v["w"] - v["y"], "input x is missing"),
        ("not squared", "J", lambda v: v["r"], "still to be squared"),
        ("doubled", "J", lambda v: 2 * v["r"], "Doubled"),
        ("half", "J", lambda v: v["r"] ** 2 / 2, "no ½"),
        ("no 2", "dw", lambda v: v["r"] * v["x"], "The 2 is missing"),
        ("no input", "dw", lambda v: 2 * v["r"], "x is missing"),
        ("times w", "dw", lambda v: 2 * v["r"] * v["w"], "w used for x"),
        ("sign", "dw", lambda v: -2 * v["r"] * v["x"], "sign is turned"),
        ("no rate", "new", lambda v: v["w"] - v["dw"], "rate α is missing"),
        ("sign", "new", lambda v: v["w"] + v["rate"] * v["dw"], "sign is turned"),
        ("step alone", "new", lambda v: -v["rate"] * v["dw"], "weight w is missing"),
        ("before", "J1", lambda v: v["J"], "α ∂J/∂w is missing"),
        ("not squared", "J1", lambda v: v["x"] * v["new"] - v["y"], "still to be squared"),
        ("straight line", "J1", lambda v: v["J"] - v["rate"] * v["dw"] ** 2, "straight line"),
    ],
)

# --- a node ----------------------------------------------------------------------------------------------------------


def node(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    v["z"] = rounding(v["x"] * v["w"] + v["b"])
    v["a"] = rounding(sigmoid(v["z"]))
    v["s"] = rounding(v["a"] * (1 - v["a"]))
    v["dz"] = rounding(v["da"] * v["s"])
    v["dw"], v["dx"], v["db"] = (rounding(v["dz"] * local) for local in (v["x"], v["w"], 1))
    return v


NODE = ByHand(
    node,
    {
        "z": ["x*w + b", "b + w x"],
        "a": ["sigmoid(z)", "1/(1+e^-z)", "1/(1+exp(−z))"],
        "s": ["a*(1-a)", "slope(z)", "a − a²"],
        "dz": ["da*s", "∂J/∂a·a(1−a)"],
        "dw": ["dz*x", "x ∂J/∂z"],
        "dx": ["dz*w", "w dz"],
        "db": ["dz", "da*s"],
    },
    [
        ("no bias", "z", lambda v: v["x"] * v["w"], "bias b is missing"),
        ("added", "z", lambda v: v["x"] + v["w"] + v["b"], "Added instead"),
        ("a for z", "z", lambda v: sigmoid(v["z"]), "That is a, the sigmoid"),
        ("z for a", "a", lambda v: v["z"], "itself"),
        ("sign", "a", lambda v: sigmoid(-v["z"]), "sign in the exponent"),
        ("tanh", "a", lambda v: math.tanh(v["z"]), "tanh"),
        ("z for a", "s", lambda v: v["z"] * (1 - v["z"]), "z used for a"),
        ("slope at a", "s", lambda v: sigmoid(v["a"]) * (1 - sigmoid(v["a"])), "taken at the sum"),
        ("tanh", "s", lambda v: 1 - v["a"] ** 2, "tanh"),
        ("no slope", "dz", lambda v: v["da"], "slope s is missing"),
        ("nothing from behind", "dz", lambda v: v["s"], "behind"),
        ("added", "dz", lambda v: v["da"] + v["s"], "Added instead"),
        ("not times input", "dw", lambda v: v["dz"], "input x is missing"),
        ("times itself", "dw", lambda v: v["dz"] * v["w"], "w used for x"),
        ("no slope", "dw", lambda v: v["da"] * v["x"], "slope s is missing"),
        ("not times weight", "dx", lambda v: v["dz"], "weight w is missing"),
        ("times itself", "dx", lambda v: v["dz"] * v["x"], "x used for w"),
        ("no slope", "dx", lambda v: v["da"] * v["w"], "slope s is missing"),
        ("times b", "db", lambda v: v["dz"] * v["b"], "Not times b"),
        ("no slope", "db", lambda v: v["da"], "slope s is missing"),
    ],
)

# --- a graph ---------------------------------------------------------------------------------------------------------


def graph(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    v["s"] = rounding(v["x"] + v["y"])
    v["m"] = rounding(v["s"] * v["x"])
    v["v"] = rounding(max(v["m"], v["t"]))
    v["J"] = rounding(v["c"] * v["v"])
    v["dv"] = v["c"]
    v["dm"], v["dt"] = (v["dv"], 0.0) if v["m"] > v["t"] else (0.0, v["dv"])
    v["ds"] = rounding(v["dm"] * v["x"])
    v["dy"] = v["ds"]
    v["dx"] = rounding(v["dm"] * v["s"] + v["ds"])
    return v


GRAPH = ByHand(
    graph,
    {
        "s": ["x + y", "y+x"],
        "m": ["s*x", "x (x + y)"],
        "v": ["max(m, t)", "m"],
        "J": ["c*v", "v c"],
        "dv": ["c"],
        "dm": ["dv", "c"],
        "dt": ["0"],
        "ds": ["dm*x", "∂J/∂m · x"],
        "dy": ["ds"],
        "dx": ["dm*s + ds", "dm s + dm x"],
    },
    [
        ("multiplied", "s", lambda v: v["x"] * v["y"], "Multiplied; the parts are added"),
        ("added", "m", lambda v: v["s"] + v["x"], "Added instead"),
        ("other factor", "m", lambda v: v["s"] * v["y"], "y used for x"),
        ("smaller", "v", lambda v: v["t"], "smaller"),
        ("added", "v", lambda v: v["m"] + v["t"], "not added"),
        ("added", "J", lambda v: v["c"] + v["v"], "Added instead"),
        ("own factor", "dv", lambda v: v["v"], "other factor"),
        ("nothing", "dm", lambda v: 0, "Everything passes"),
        ("shared", "dm", lambda v: v["dv"] / 2, "no ½"),
        ("to the smaller", "dt", lambda v: v["dv"], "nothing goes to it"),
        ("own factor", "ds", lambda v: v["dm"] * v["s"], "s used for x"),
        ("no factor", "ds", lambda v: v["dm"], "x is missing"),
        ("no product", "dy", lambda v: v["dm"], "x is missing"),
        ("times y", "dy", lambda v: v["ds"] * v["y"], "Not times y"),
        ("one way", "dx", lambda v: v["dm"] * v["s"], "∂J/∂s is missing"),
        ("one way", "dx", lambda v: v["ds"], "∂J/∂m s is missing"),
        ("multiplied", "dx", lambda v: v["dm"] * v["s"] * v["ds"], "Multiplied; the parts are added"),
        ("averaged", "dx", lambda v: (v["dm"] * v["s"] + v["ds"]) / 2, "no ½"),
    ],
)

# --- a network -------------------------------------------------------------------------------------------------------

INTO = {1: ("w1", "w3"), 2: ("w2", "w4")}
FIRST_LAYER = {1: ("x1", 1), 2: ("x1", 2), 3: ("x2", 1), 4: ("x2", 2)}
"""Of each weight: the input where it starts, and the unit at which it ends."""


def network(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    for i in (1, 2):
        v[f"z{i}"] = rounding(v["x1"] * v[f"w{i}"] + v["x2"] * v[f"w{i + 2}"] + v[f"b{i}"])
    for i in (1, 2):
        v[f"a{i}"] = rounding(sigmoid(v[f"z{i}"]))
    v["z3"] = rounding(v["a1"] * v["w5"] + v["a2"] * v["w6"] + v["b3"])
    v["p"] = rounding(sigmoid(v["z3"]))
    v["J"] = rounding(-math.log(v["p"] if v["y"] == 1 else 1 - v["p"]))
    v["d3"] = rounding(v["p"] - v["y"])
    for i in (1, 2):
        v[f"dw{i + 4}"] = rounding(v["d3"] * v[f"a{i}"])
    for i in (1, 2):
        v[f"d{i}"] = rounding(v["d3"] * v[f"w{i + 4}"] * v[f"a{i}"] * (1 - v[f"a{i}"]))
    for w, (x, i) in FIRST_LAYER.items():
        v[f"dw{w}"] = rounding(v[f"d{i}"] * v[x])
    for w in range(1, 7):
        v[f"new{w}"] = rounding(v[f"w{w}"] - 0.5 * v[f"dw{w}"])
    return v


def network_spellings() -> dict[str, list[str]]:
    hidden = {
        f"z{i}": [f"x1*w{i} + x2*w{i + 2} + b{i}", f"x1 w{i}+x2 w{i + 2}+b{i}", f"(x2×w{i + 2}) + x1·w{i} + b{i}"]
        for i in (1, 2)
    }
    hidden |= {f"a{i}": [f"sigmoid(z{i})", f"1/(1+e^-z{i})", f"1/(1+exp(−z{i}))"] for i in (1, 2)}
    output = {
        "z3": ["a1*w5+a2*w6+b3", "a1 w5 + a2 w6 + b3", "sigmoid(z1)*w5 + h2*w6 + b3"],
        "p": ["sigmoid(z3)", "1/(1+exp(-z3))", "σ(z3)"],
        "J": ["-(y*log(p)+(1-y)*log(1-p))", "-y ln(p) - (1-y) ln(1-p)", "−(y·log(p) + (1−y)·log(1−p))"],
        "d3": ["p - y"],
    }
    back = {f"dw{i + 4}": [f"d3*a{i}", f"(p-y)*h{i}", f"δ3·a{i}"] for i in (1, 2)}
    for i in (1, 2):
        o = i + 4
        back[f"d{i}"] = [f"(p - y) * w{o} * h{i}*(1-h{i})", f"d3*w{o}*slope(z{i})", f"δ3 w{o} a{i}(1−a{i})"]
    back |= {f"dw{w}": [f"d{i}*{x}", f"{x} d{i}", f"δ{i}×{x}"] for w, (x, i) in FIRST_LAYER.items()}
    new = {f"new{w}": [f"w{w} - 0.5*dw{w}", f"w{w}-0,5*dw{w}", f"w{w} − rate*∂J/∂w{w}"] for w in range(1, 7)}
    return hidden | output | back | new


def network_slips() -> list[Any]:
    """84 of 14 kinds."""
    slips: list[Any] = []

    def add(kind: str, blank: str, wrong: Callable[[Values], float], words: str, times: int = 1) -> None:
        slips.extend([(kind, blank, wrong, words)] * times)

    for i in (1, 2):
        o, own, other = i + 4, INTO[i], INTO[3 - i]
        add("no bias", f"z{i}", lambda v, w=own: v["x1"] * v[w[0]] + v["x2"] * v[w[1]], "is missing", 2)
        add("a for z", f"z{i}", lambda v, i=i: v[f"a{i}"], f"That is a{i}", 2)
        add("no slope", f"d{i}", lambda v, i=i, o=o: v["d3"] * v[f"w{o}"], f"slope a{i}(1 − a{i}) is missing")
        add("other δ", f"d{i}", lambda v, i=i: v[f"d{3 - i}"], f"That is δ{3 - i}")
        add("not times input", f"dw{o}", lambda v: v["d3"], f"a{i} is missing")
        at_a, others = "it is taken at", "other unit’s weight"
        add("slope at a", f"d{i}", lambda v, i=i, o=o: v["d3"] * v[f"w{o}"] * slope_at(v[f"a{i}"]), at_a, 3)
        add(
            others,
            f"z{i}",
            lambda v, i=i, w=other: v["x1"] * v[w[0]] + v["x2"] * v[w[1]] + v[f"b{i}"],
            f"belong to z{3 - i}",
        )
        add(
            others,
            f"d{i}",
            lambda v, i=i: v["d3"] * v[f"w{7 - i}"] * v[f"a{i}"] * (1 - v[f"a{i}"]),
            f"w{7 - i} leads from",
        )
        add("added", f"z{i}", lambda v, i=i, w=own: v["x1"] + v[w[0]] + v["x2"] + v[w[1]] + v[f"b{i}"], "Added instead")
    add("no bias", "z3", lambda v: v["a1"] * v["w5"] + v["a2"] * v["w6"], "is missing", 2)
    add("a for z", "z3", lambda v: v["p"], "That is p", 2)
    add("z for a", "a1", lambda v: v["z1"], "itself")
    add("z for a", "p", lambda v: v["z3"], "itself")
    add("z for a", "z3", lambda v: v["z1"] * v["w5"] + v["z2"] * v["w6"] + v["b3"], "z used for a")
    add("z for a", "dw5", lambda v: v["d3"] * v["z1"], "z1 used for a1")
    add("z for a", "dw6", lambda v: v["d3"] * v["z2"], "z2 used for a2")
    add("z for a", "d1", lambda v: v["d3"] * v["w5"] * v["z1"] * (1 - v["z1"]), "z1 used for a1")
    for w, (x, i) in FIRST_LAYER.items():
        add(
            "no slope",
            f"dw{w}",
            lambda v, x=x, i=i: v["d3"] * v[f"w{i + 4}"] * v[x],
            f"slope a{i}(1 − a{i}) is missing",
        )
        add("not times input", f"dw{w}", lambda v, i=i: v[f"d{i}"], f"{x} is missing")
        add("other δ", f"dw{w}", lambda v, x=x, i=i: v[f"d{3 - i}"] * v[x], f"δ{3 - i} used for δ{i}")
    for blank, words in (("J", "sign is turned"), *((b, "sign is turned") for b in ("d3", "d1", "dw1", "dw6", "z1"))):
        add("sign", blank, lambda v, blank=blank: -v[blank], words)
    add("other unit’s weight", "z3", lambda v: v["a1"] * v["w6"] + v["a2"] * v["w5"] + v["b3"], "are exchanged", 2)
    add("added", "z3", lambda v: v["a1"] + v["w5"] + v["a2"] + v["w6"] + v["b3"], "Added instead")
    add("added", "dw5", lambda v: v["d3"] + v["a1"], "Added instead")
    add("added", "dw1", lambda v: v["d1"] + v["x1"], "Added instead")
    add("added", "dw4", lambda v: v["d2"] + v["x2"], "Added instead")
    for w in range(1, 7):
        add("no rate", f"new{w}", lambda v, w=w: v[f"w{w}"] - v[f"dw{w}"], "is missing")
        add("rate, wrong sign", f"new{w}", lambda v, w=w: v[f"w{w}"] + 0.5 * v[f"dw{w}"], "sign is turned")
        add("log of 1 − p", "J", lambda v: -math.log(1 - v["p"] if v["y"] == 1 else v["p"]), "wrong one")
    add("squared error", "J", lambda v: (v["p"] - v["y"]) ** 2, "squared error", 2)
    add("squared error", "d3", lambda v: (v["p"] - v["y"]) * v["p"] * (1 - v["p"]), "squared error", 2)
    add("squared error", "d3", lambda v: 2 * (v["p"] - v["y"]) * v["p"] * (1 - v["p"]), "squared error", 2)
    return slips


NETWORK = ByHand(network, network_spellings(), network_slips())

# --- a batch ---------------------------------------------------------------------------------------------------------


def cross_entropy(p: float, y: float) -> float:
    return -math.log(p if y == 1 else 1 - p)


def batch(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    for i in (1, 2):
        v[f"z{i}"] = rounding(v[f"x{i}"] * v["w"] + v["b"])
    for i in (1, 2):
        v[f"p{i}"] = rounding(sigmoid(v[f"z{i}"]))
    v["J"] = rounding((cross_entropy(v["p1"], v["y1"]) + cross_entropy(v["p2"], v["y2"])) / 2)
    for i in (1, 2):
        v[f"d{i}"] = rounding((v[f"p{i}"] - v[f"y{i}"]) / 2)
    v["dw"] = rounding(v["d1"] * v["x1"] + v["d2"] * v["x2"])
    v["db"] = rounding(v["d1"] + v["d2"])
    v["new"] = rounding(v["w"] - 0.5 * v["dw"])
    return v


BATCH = ByHand(
    batch,
    {
        **{f"z{i}": [f"x{i}*w + b", f"b + w x{i}"] for i in (1, 2)},
        **{f"p{i}": [f"sigmoid(z{i})", f"1/(1+e^-z{i})"] for i in (1, 2)},
        "J": ["-(y1*log(p1)+(1-y1)*log(1-p1)+y2*log(p2)+(1-y2)*log(1-p2))/2"],
        **{f"d{i}": [f"(p{i}-y{i})/2", f"0.5 (p{i} − y{i})"] for i in (1, 2)},
        "dw": ["d1*x1 + d2*x2", "x1 δ1 + x2 δ2"],
        "db": ["d1 + d2"],
        "new": ["w - rate*dw", "w − 0,5·∂J/∂w"],
    },
    [
        ("no bias", "z1", lambda v: v["x1"] * v["w"], "bias b is missing"),
        ("other sample", "z2", lambda v: v["x1"] * v["w"] + v["b"], "x1 used for x2"),
        ("z for p", "p1", lambda v: v["z1"], "itself"),
        ("other sample", "p2", lambda v: sigmoid(v["z1"]), "z1 used for z2"),
        (
            "sum for mean",
            "J",
            lambda v: cross_entropy(v["p1"], v["y1"]) + cross_entropy(v["p2"], v["y2"]),
            "divided by 2",
        ),
        ("one sample", "J", lambda v: cross_entropy(v["p1"], v["y1"]), "Only the first"),
        ("squared", "J", lambda v: ((v["p1"] - v["y1"]) ** 2 + (v["p2"] - v["y2"]) ** 2) / 2, "squared error"),
        ("no mean", "d1", lambda v: v["p1"] - v["y1"], "divided by 2"),
        ("sign", "d2", lambda v: (v["y2"] - v["p2"]) / 2, "sign is turned"),
        ("other sample", "d1", lambda v: v["d2"], "That is δ2"),
        ("mean twice", "dw", lambda v: v["dw"] / 2, "½ is in δ1 already"),
        ("one sample", "dw", lambda v: v["d1"] * v["x1"], "δ2 x2 is missing"),
        ("no inputs", "dw", lambda v: v["d1"] + v["d2"], "x is missing everywhere"),
        ("swapped", "dw", lambda v: v["d1"] * v["x2"] + v["d2"] * v["x1"], "exchanged"),
        ("sums first", "dw", lambda v: (v["d1"] + v["d2"]) * (v["x1"] + v["x2"]), "First multiply"),
        ("one sample", "db", lambda v: v["d2"], "δ1 is missing"),
        ("mean twice", "db", lambda v: v["db"] / 2, "½ is in δ1 already"),
        ("no rate", "new", lambda v: v["w"] - v["dw"], "rate α is missing"),
        ("sign", "new", lambda v: v["w"] + 0.5 * v["dw"], "sign is turned"),
    ],
)

# --- softmax ---------------------------------------------------------------------------------------------------------


def softmax(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    v["y3"] = 1 - v["y1"] - v["y2"]
    for i in (1, 2, 3):
        v[f"e{i}"] = rounding(math.exp(v[f"z{i}"]))
    v["s"] = rounding(v["e1"] + v["e2"] + v["e3"])
    for i in (1, 2, 3):
        v[f"p{i}"] = rounding(v[f"e{i}"] / v["s"])
    v["J"] = rounding(-math.log(right_probability(v)))
    for i in (1, 2, 3):
        v[f"d{i}"] = rounding(v[f"p{i}"] - v[f"y{i}"])
    return v


def right_probability(v: Values) -> float:
    return next(v[f"p{i}"] for i in (1, 2, 3) if v[f"y{i}"] == 1)


SOFTMAX = ByHand(
    softmax,
    {
        **{f"e{i}": [f"exp(z{i})", f"e^z{i}"] for i in (1, 2, 3)},
        "s": ["e1 + e2 + e3"],
        **{f"p{i}": [f"e{i}/s", f"exp(z{i})/(e1+e2+e3)"] for i in (1, 2, 3)},
        "J": ["-(y1*log(p1) + y2*log(p2) + y3*log(p3))", "−y1 ln(p1) − y2 ln(p2) − y3 ln(p3)"],
        **{f"d{i}": [f"p{i} - y{i}"] for i in (1, 2, 3)},
    },
    [
        ("z for e", "e1", lambda v: v["z1"], "itself"),
        ("sign", "e2", lambda v: math.exp(-v["z2"]), "sign in the exponent"),
        ("times e", "e3", lambda v: math.e * v["z3"], "e times"),
        ("base 10", "e1", lambda v: 10 ** v["z1"], "base is e"),
        ("logits", "s", lambda v: v["z1"] + v["z2"] + v["z3"], "z used for"),
        ("one missing", "s", lambda v: v["e1"] + v["e2"], "e3 is missing"),
        ("mean", "s", lambda v: v["s"] / 3, "mean"),
        ("sigmoid", "p1", lambda v: sigmoid(v["z1"]), "does not ask"),
        ("odds", "p2", lambda v: v["e2"] / (v["s"] - v["e2"]), "e2 is missing"),
        ("upside down", "p3", lambda v: v["s"] / v["e3"], "Upside down"),
        ("minus", "J", lambda v: -v["J"], "sign is turned"),
        ("all classes", "J", lambda v: -sum(math.log(v[f"p{i}"]) for i in (1, 2, 3)), "y is missing"),
        ("no log", "J", lambda v: 1 - right_probability(v), "needs a log"),
        ("base 10", "J", lambda v: -math.log10(right_probability(v)), "base 10"),
        ("sign", "d1", lambda v: v["y1"] - v["p1"], "sign is turned"),
        ("mean", "d2", lambda v: v["d2"] / 3, "Not divided"),
        ("slope", "d3", lambda v: v["d3"] * v["p3"] * (1 - v["p3"]), "Not times the slope"),
    ],
)

# --- what does not learn ----------------------------------------------------------------------------------------------


def stuck(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    v["z1"] = rounding(v["x"] * v["w1"])
    v["a1"] = rounding(sigmoid(v["z1"]))
    for i in (2, 3):
        v[f"z{i}"] = rounding(v["a1"] * v[f"w{i}"] + v[f"b{i}"])
        v[f"a{i}"] = max(v[f"z{i}"], 0.0)
        v[f"s{i}"] = float(v[f"z{i}"] > 0)
    v["z4"] = rounding(v["a2"] * v["w4"] + v["a3"] * v["w5"])
    v["p"] = rounding(sigmoid(v["z4"]))
    v["J"] = rounding(-math.log(v["p"] if v["y"] == 1 else 1 - v["p"]))
    v["s1"] = rounding(v["a1"] * (1 - v["a1"]))
    v["d4"] = rounding(v["p"] - v["y"])
    v["d2"], v["d3"] = rounding(v["d4"] * v["w4"] * v["s2"]), rounding(v["d4"] * v["w5"] * v["s3"])
    v["d1"] = rounding((v["d2"] * v["w2"] + v["d3"] * v["w3"]) * v["s1"])
    v["dw4"], v["dw3"] = rounding(v["d4"] * v["a2"]), v["d3"] * v["a1"]
    v["dw2"], v["dw1"] = rounding(v["d2"] * v["a1"]), rounding(v["d1"] * v["x"])
    v["u"] = rounding(v["rate"] * abs(v["dw1"]) / abs(v["w1"]))
    return v


STUCK = ByHand(
    stuck,
    {
        "s1": ["a1*(1 - a1)", "σ′(z1)", "a1 − a1²"],
        "s2": ["1"],
        "s3": ["0"],
        "d4": ["p - y"],
        "d2": ["d4*w4*s2", "δ4 w4"],
        "d3": ["0", "d4*w5*s3"],
        "d1": ["(d2*w2 + d3*w3)*s1", "δ2 w2 a1 (1 − a1)"],
        "dw4": ["d4*a2", "a2·δ4"],
        "dw2": ["d2*a1"],
        "dw3": ["d3*a1", "0"],
        "dw1": ["d1*x", "x δ1"],
        "u": ["rate*abs(dw1)/abs(w1)", "α abs(∂J/∂w1/w1)"],
    },
    [
        ("value", "s1", lambda v: v["a1"], "1 − a1 is missing"),
        ("one factor", "s1", lambda v: 1 - v["a1"], "activation a1 is missing"),
        ("slope at a", "s1", lambda v: slope_at(v["a1"]), "taken at the sum"),
        ("ReLU", "s1", lambda v: 1, "slope of a ReLU"),
        ("dead", "s2", lambda v: 0, "above 0"),
        ("value", "s2", lambda v: v["z2"], "value of the ReLU"),
        ("sigmoid", "s2", lambda v: slope_at(v["z2"]), "for a sigmoid"),
        ("alive", "s3", lambda v: 1, "below 0"),
        ("value", "s3", lambda v: v["z3"], "itself"),
        ("sign", "d4", lambda v: v["y"] - v["p"], "sign is turned"),
        ("slope", "d4", lambda v: (v["p"] - v["y"]) * v["p"] * (1 - v["p"]), "Not times the slope"),
        ("no weight", "d2", lambda v: v["d4"], "w4 is missing"),
        ("other weight", "d2", lambda v: v["d4"] * v["w5"], "w5 leads from unit 3"),
        ("weight before", "d2", lambda v: v["d4"] * v["w2"], "w2 leads from unit 1 to unit 2"),
        ("sigmoid", "d2", lambda v: v["d4"] * v["w4"] * v["a2"] * (1 - v["a2"]), "slope of a sigmoid"),
        ("alive", "d3", lambda v: v["d4"] * v["w5"], "slope s3 is missing"),
        ("sigmoid", "d3", lambda v: v["d4"] * v["w5"] * slope_at(v["z3"]), "slope of a sigmoid"),
        ("no slope", "d1", lambda v: v["d2"] * v["w2"], "slope s1 is missing"),
        ("no weight", "d1", lambda v: v["d2"] * v["s1"], "w2 is missing"),
        ("both ways", "d1", lambda v: (v["w2"] + v["w3"]) * v["d2"] * v["s1"], "its own weight"),
        ("early δ", "d1", lambda v: v["d4"] * v["w2"] * v["s1"], "δ4 used for δ2"),
        ("no input", "dw4", lambda v: v["d4"], "activation a2 is missing"),
        ("z for a", "dw2", lambda v: v["d2"] * v["z1"], "z1 used for a1"),
        ("early δ", "dw2", lambda v: v["d4"] * v["a1"], "δ4 used for δ2"),
        ("alive", "dw3", lambda v: v["d4"] * v["w5"] * v["a1"], "slope s3 is missing"),
        ("no input", "dw1", lambda v: v["d1"], "input x is missing"),
        ("itself", "dw1", lambda v: v["d1"] * v["w1"], "w1 used for x"),
        ("no rate", "u", lambda v: abs(v["dw1"] / v["w1"]), "rate α is missing"),
        ("step", "u", lambda v: v["rate"] * abs(v["dw1"]), "Not divided by |w1|"),
        ("upside down", "u", lambda v: abs(v["w1"] / (v["rate"] * v["dw1"])), "Upside down"),
    ],
)

# --- better steps ----------------------------------------------------------------------------------------------------


def steps(given: Values, rounding: Rounding = exact) -> Values:
    v = dict(given)
    z = [v[f"z{i}"] for i in (1, 2, 3)]
    v["mu"] = rounding(sum(z) / 3)
    v["var"] = rounding(sum((each - v["mu"]) ** 2 for each in z) / 3)
    v["n"] = rounding((v["z1"] - v["mu"]) / math.sqrt(v["var"]))
    v["h"] = rounding(v["k"] * v["n"] / 0.8)
    v["r"] = rounding(v["h"] * v["w"] - v["y"])
    v["J"] = rounding(v["r"] ** 2 + v["lambda"] * v["w"] ** 2 / 2)
    v["dw"] = rounding(2 * v["r"] * v["h"] + v["lambda"] * v["w"])
    v["v1"] = rounding(0.9 * v["v"] - v["rate"] * v["dw"])
    v["wm"] = rounding(v["w"] + v["v1"])
    v["m"], v["s"] = rounding(0.1 * v["dw"]), rounding(0.001 * v["dw"] ** 2)
    v["wa"] = rounding(v["w"] - math.copysign(v["rate"], v["dw"]))
    return v


def squared_distances(v: Values) -> float:
    return sum((v[f"z{i}"] - v["mu"]) ** 2 for i in (1, 2, 3))


STEPS = ByHand(
    steps,
    {
        "mu": ["(z1 + z2 + z3)/3", "z1/3+z2/3+z3/3"],
        "var": ["((z1-mu)^2 + (z2-mu)^2 + (z3-mu)^2)/3", "((z1−μ)² + (z2−μ)² + (z3−μ)²)/3"],
        "n": ["(z1 - mu)/sqrt(var)", "(z1−μ)/√(var)"],
        "h": ["k*n/0.8", "n/0,8"],
        "r": ["h*w - y", "w h − y"],
        "J": ["r^2 + lambda*w^2/2", "r² + λ/2 w²"],
        "dw": ["2*r*h + lambda*w", "2 h r + λ w"],
        "v1": ["0.9*v - rate*dw", "0,9 v − α ∂J/∂w"],
        "wm": ["w + v1", "w + 0.9*v - rate*dw"],
        "m": ["0.1*dw", "(1 - 0.9)*dw"],
        "s": ["0.001*dw^2", "(1 − 0.999)·dw²"],
        "wa": ["w - rate*(m/0.1)/sqrt(s/0.001)", "w - rate*dw/abs(dw)"],
    },
    [
        ("sum", "mu", lambda v: v["z1"] + v["z2"] + v["z3"], "Not divided by 3"),
        ("two", "mu", lambda v: (v["z1"] + v["z2"] + v["z3"]) / 2, "three samples"),
        ("sum", "var", squared_distances, "Not divided by 3"),
        ("sample variance", "var", lambda v: squared_distances(v) / 2, "Divided by 2"),
        ("no mean", "var", lambda v: (v["z1"] ** 2 + v["z2"] ** 2 + v["z3"] ** 2) / 3, "mean μ is missing"),
        ("root", "var", lambda v: math.sqrt(v["var"]), "its root"),
        ("not divided", "n", lambda v: v["z1"] - v["mu"], "Not divided by √var"),
        ("no root", "n", lambda v: (v["z1"] - v["mu"]) / v["var"], "root is missing"),
        ("no mean", "n", lambda v: v["z1"] / math.sqrt(v["var"]), "mean μ is missing"),
        ("sign", "n", lambda v: -v["n"], "sign is turned"),
        ("not scaled", "h", lambda v: v["n"], "Not divided by 0.8"),
        ("scaled down", "h", lambda v: 0.8 * v["n"], "Multiplied"),
        ("rate of dropping", "h", lambda v: v["n"] / 0.2, "0.2 used for 0.8"),
        ("sign", "r", lambda v: v["y"] - v["h"] * v["w"], "sign is turned"),
        ("n for h", "r", lambda v: v["n"] * v["w"] - v["y"], "n used for h"),
        ("no penalty", "J", lambda v: v["r"] ** 2, "λ w²/2 is missing"),
        ("no half", "J", lambda v: v["r"] ** 2 + v["lambda"] * v["w"] ** 2, "Not divided by 2"),
        ("no penalty", "dw", lambda v: 2 * v["r"] * v["h"], "λ w is missing"),
        ("no 2", "dw", lambda v: v["r"] * v["h"] + v["lambda"] * v["w"], "The 2 is missing"),
        ("2 λ", "dw", lambda v: 2 * v["r"] * v["h"] + 2 * v["lambda"] * v["w"], "2 multiplies r h alone"),
        ("n for h", "dw", lambda v: 2 * v["r"] * v["n"] + v["lambda"] * v["w"], "n used for h"),
        ("uphill", "v1", lambda v: 0.9 * v["v"] + v["rate"] * v["dw"], "sign is turned"),
        ("no memory", "v1", lambda v: -v["rate"] * v["dw"], "0.9 v is missing"),
        ("no decay", "v1", lambda v: v["v"] - v["rate"] * v["dw"], "0.9 is missing"),
        ("no rate", "v1", lambda v: 0.9 * v["v"] - v["dw"], "rate α is missing"),
        ("plain", "wm", lambda v: v["w"] - v["rate"] * v["dw"], "0.9 v is missing"),
        ("sign", "wm", lambda v: v["w"] - v["v1"], "sign is turned"),
        ("whole", "m", lambda v: v["dw"], "0.1 is missing"),
        ("old share", "m", lambda v: 0.9 * v["dw"], "0.9 used for 0.1"),
        ("whole", "s", lambda v: v["dw"] ** 2, "0.001 is missing"),
        ("not squared", "s", lambda v: 0.001 * v["dw"], "squared"),
        ("m squared", "s", lambda v: v["m"] ** 2, "decimal point"),
        ("no correction", "wa", lambda v: v["w"] - v["rate"] * v["m"] / math.sqrt(v["s"]), "Both means"),
        ("no root", "wa", lambda v: v["w"] - v["rate"] * 10 * v["m"] / (1000 * v["s"]), "root is missing"),
        ("uphill", "wa", lambda v: v["w"] + math.copysign(v["rate"], v["dw"]), "sign is turned"),
        ("plain", "wa", lambda v: v["w"] - v["rate"] * v["dw"], "plain step"),
    ],
)

# --- many seeds ------------------------------------------------------------------------------------------------------


def seeds(given: Values, rounding: Rounding = exact) -> Values:
    """With 3.84 for the square of 1.96, as people compute."""
    v = dict(given)
    v["n"] = v["k"] + v["f"]
    v["p"] = rounding(v["k"] / v["n"])
    v["c"] = rounding((v["k"] + 1.92) / (v["n"] + 3.84))
    v["h"] = rounding(1.96 * math.sqrt(v["k"] * v["f"] / v["n"] + 0.96) / (v["n"] + 3.84))
    v["low"], v["high"] = rounding(v["c"] - v["h"]), rounding(v["c"] + v["h"])
    v["d"] = float(v["low"] > v["g"]) - float(v["high"] < v["g"])
    v["t"] = rounding(2 / 2 ** v["m"])
    return v


def simple_half_width(v: Values) -> float:
    return 1.96 * math.sqrt(v["p"] * (1 - v["p"]) / v["n"])


SEEDS_AND_INTERVALS = ByHand(
    seeds,
    {
        "n": ["k + f"],
        "p": ["k/n", "k/(k+f)"],
        "c": ["(k + 1.92)/(n + 3.84)", "(k+1,92)/(n+3,84)"],
        "h": ["1.96*sqrt(k*f/n + 0.96)/(n + 3.84)", "1,96·√(k f/n + 0,96)/(n+3,84)", "1.96*(k*f/n+0.96)^0.5/(n+3.84)"],
        "low": ["c - h"],
        "high": ["c + h", "low + 2h"],
        "d": ["step(low - g) - step(g - high)"],
        "t": ["2*(1/2)^m", "2*0.5^m", "2/2^m"],
    },
    [
        ("successes", "n", lambda v: v["k"], "failures f is missing"),
        ("odds", "p", lambda v: v["k"] / v["f"], "successes k is missing"),
        ("failures", "p", lambda v: v["f"] / v["n"], "f used for k"),
        ("percent", "p", lambda v: 100 * v["p"], "percent"),
        ("share", "c", lambda v: v["p"], "That is p, the share"),
        ("nothing above", "c", lambda v: v["k"] / (v["n"] + 3.84), "1.92 is missing"),
        ("nothing below", "c", lambda v: (v["k"] + 1.92) / v["n"], "3.84 is missing"),
        ("no 1.96", "h", lambda v: math.sqrt(v["k"] * v["f"] / v["n"] + 0.96) / (v["n"] + 3.84), "1.96 is missing"),
        ("no root", "h", lambda v: 1.96 * (v["k"] * v["f"] / v["n"] + 0.96) / (v["n"] + 3.84), "root is missing"),
        ("simple", "h", simple_half_width, "simple formula"),
        ("whole", "h", lambda v: 2 * v["h"], "Twice as much"),
        ("from p", "low", lambda v: v["p"] - v["h"], "middle c"),
        ("other end", "low", lambda v: v["c"] + v["h"], "sign is turned"),
        ("from p", "high", lambda v: v["p"] + v["h"], "middle c"),
        ("other end", "high", lambda v: v["c"] - v["h"], "sign is turned"),
        ("claim", "d", lambda v: v["g"], "claim itself"),
        ("one way", "t", lambda v: 0.5 ** v["m"], "2 is missing"),
        ("share", "t", lambda v: 1 / v["m"], "toss"),
        ("opposite", "t", lambda v: 1 - 2 / 2 ** v["m"], "opposite"),
        ("all seeds", "t", lambda v: 2 * 0.5 ** v["n"], "Only the m seeds"),
    ],
)

BY_HAND = {
    "slope": SLOPE,
    "node": NODE,
    "graph": GRAPH,
    "network": NETWORK,
    "batch": BATCH,
    "softmax": SOFTMAX,
    "stuck": STUCK,
    "steps": STEPS,
    "seeds": SEEDS_AND_INTERVALS,
}
