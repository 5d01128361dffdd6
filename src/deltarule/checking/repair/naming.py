"""The kind of a mistake, read off the edit that repaired it.

The names are those of `kinds.toml`; there is none for an edit that may mean several.
"""

import ast
import re

from deltarule.checking.repair.program import Edit

_BY_EDIT = {"operator of an assignment": "gradient_overwritten", "add.at": "gradient_overwritten"}
_SLOPE = re.compile(r"\(1 - (\S+) (\*\* 2|\* \1)\)|(\S+) \* \(1 - \3\)")
_AXIS = re.compile(r"\b(axis=)?\(?-?\d(, -?\d)*\)?")


def name_of(edit: Edit, parameters: tuple[str, ...]) -> str:
    """The code of the mistake, or ""."""
    if edit.kind in _BY_EDIT:
        return _BY_EDIT[edit.kind] if "+=" in edit.new or "add.at" in edit.new else ""
    if edit.kind == "moved term":
        return "other_delta"
    if edit.kind not in ("expression", "same edit at several places"):
        return ""
    old, new = (_normal(text) for text in (edit.old, edit.new))
    return _by_texts(old, new, parameters)


def _normal(text: str) -> str:
    return ast.unparse(ast.parse(text, mode="eval"))


def _by_texts(old: str, new: str, parameters: tuple[str, ...]) -> str:
    names = {re.findall(r"\w+", name)[-1] for name in parameters if re.findall(r"\w+", name)}
    if new in (f"-{old}", f"-({old})") or old in (f"-{new}", f"-({new})"):
        return "sign"
    if new.replace(".T", "") == old.replace(".T", "") and new != old:
        is_weight = any(re.search(rf"\b{re.escape(name)}\b", old) for name in names)
        return "weights_not_transposed" if is_weight else "transposed"
    if re.fullmatch(re.escape(old) + r"\.sum\(.*\)", new) or re.fullmatch(
        r"\(" + re.escape(old) + r"\)\.sum\(.*\)", new
    ):
        return "not_summed"
    if re.search(r"\b(sum|mean|max)\(", old) and _AXIS.sub("", old) == _AXIS.sub("", new):
        return "wrong_axis"
    if new.replace(".sum(", ".mean(") == old:
        return "mean_twice"
    if old.replace(".sum(", ".mean(") == new:
        return "mean_missing"
    added = _beside(new, old)
    if added is not None:
        return _by_factor(*added)
    removed = _beside(old, new)
    if removed is not None:
        return "mean_twice" if removed[0] == "/" and _is_count(removed[1]) else ""
    if re.fullmatch(r"(.+) (<=|<|>=|>) (.+)", old) and re.fullmatch(r"(.+) (<=|<|>=|>) (.+)", new):
        left = old.split(" ")[0] == new.split(" ")[0]
        return "mask_inverted" if left else ""
    if _SLOPE.search(old) and _SLOPE.search(new):
        return "other_derivative"
    return ""


def _beside(longer: str, shorter: str) -> tuple[str, str] | None:
    """The operator and the operand by which an expression has one more."""
    for text in (shorter, f"({shorter})"):
        for operator in ("*", "/"):
            if longer.startswith(f"{text} {operator} "):
                return operator, longer.removeprefix(f"{text} {operator} ")
            if operator == "*" and longer.endswith(f" * {text}"):
                return "*", longer.removesuffix(f" * {text}")
    return None


def _is_count(text: str) -> bool:
    return bool(re.fullmatch(r"len\(.+\)|.+\.shape\[\d\]|.+\.size|[nNmM]|batch_size|num_\w+|n_\w+", text))


def _by_factor(operator: str, factor: str) -> str:
    if factor in ("2", "0.5"):
        return "factor_two"
    if _is_count(factor):
        return "mean_missing" if operator == "/" else "mean_twice"
    if " > 0" in factor or "mask" in factor:
        return "mask_missing"
    return "derivative_missing" if _SLOPE.search(f"{factor} ") or _SLOPE.search(f"({factor})") else ""
