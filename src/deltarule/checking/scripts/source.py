"""What the text of a script says: its updates, its loops, and where it takes differences."""

import ast
import json
import re
import tokenize
from collections import defaultdict
from collections.abc import Set
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

from deltarule.checking.scripts.carried import carried_names
from deltarule.checking.scripts.harmless import is_harmless, nodes_of, pure_functions, single_targets
from deltarule.checking.scripts.printed import printed_values

Loop: TypeAlias = tuple[str, str, int]
"""A loop: the file, the function, and the line of its header."""

Read: TypeAlias = tuple[str, int, str, int]
"""What updates read: file, line, expression, and how many of these the step has read before."""

_RATES = re.compile(r"mom|mu$|beta|gamma|b[12]$|decay|rho|lr|rate|alpha|eta|reg|lam|wd|l2|step", re.IGNORECASE)
"""Names of the constants of optimizers."""
_TARGET_FIRST = {"add.at", "subtract.at", "copyto"}
"""Functions of NumPy that change their first argument in place."""


class ScriptSource:
    """One file of a script, by lines.

    updates      the targets that a statement changes and also reads: w in w -= …, w = w - …, np.add.at(w, …)
    reads        the variables on the right of these statements
    products     what else these statements compute on the way
    increments   those of these lines that add something to the target, so that it is no state that is made anew
    loops        the headers of the loops around a line
    carried      the variables that a turn of a loop reads before it assigns them, by the header of the loop
    stores       the variables that a statement assigns
    attributes   the attributes of variables that it assigns, as self.loss
    differences  pairs (a, y) of which the statement takes a - y
    results      targets of statements whose value is a difference that cannot be evaluated again
    one_hot      targets of P[i, y] -= 1
    pure         functions that may be called once more
    prints       the labels and expressions of numbers that a statement prints
    labels       the label with which the script prints a variable
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.tree = ast.parse(text, path)
        self.updates: dict[int, list[ast.expr]] = defaultdict(list)
        self.reads: dict[int, set[str]] = defaultdict(set)
        self.products: dict[int, set[str]] = defaultdict(set)
        self.increments: set[int] = set()
        self.loops: dict[int, set[int]] = defaultdict(set)
        self.stores: dict[int, set[str]] = defaultdict(set)
        self.attributes: dict[int, set[str]] = defaultdict(set)
        self.differences: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.results: dict[int, list[str]] = defaultdict(list)
        self.one_hot: dict[int, list[str]] = defaultdict(list)
        scopes = _assignments_by_scope(self.tree)
        made = _values_by_variable(scopes)
        copies = _copied_results(scopes)
        copied = {name.id for copy in copies for name in nodes_of(copy, ast.Name) if isinstance(name.ctx, ast.Load)}
        self.pure = pure_functions(self.tree)
        self.prints: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.labels: dict[str, str] = {}
        self.targets = _target_texts(self.tree) | {ast.unparse(t) for copied in copies.values() for t in copied}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                stored = {name.id for name in nodes_of(node, ast.Name) if isinstance(name.ctx, ast.Store)}
                attributes = {
                    ast.unparse(attribute)
                    for attribute in nodes_of(node, ast.Attribute)
                    if isinstance(attribute.ctx, ast.Store) and isinstance(attribute.value, ast.Name)
                }
                for line in _lines_of(node):
                    self.stores[line] |= stored
                    self.attributes[line] |= attributes
            if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) and node.value is not None:
                targets = _updated_targets(node) or copies.get(node, [])
                self._note_update(node, node.value, targets, made)
                self._note_differences(node, node.value, targets, copied)
        for statement in nodes_of(self.tree, ast.Expr):
            self._note_printed(statement)
        for loop in nodes_of(self.tree, ast.For | ast.While):
            for line in range(loop.body[0].lineno, _lines_of(loop.body[-1])[-1] + 1):
                self.loops[line].add(loop.lineno)
        self._add_indirect_reads(scopes)
        loops = nodes_of(self.tree, ast.For | ast.comprehension)
        self.loop_variables = {name.id for loop in loops for name in nodes_of(loop.target, ast.Name)}
        self.headers = set().union(*self.loops.values())
        self.carried = {loop.lineno: carried_names(loop.body) for loop in nodes_of(self.tree, ast.For | ast.While)}

    def _note_update(
        self, statement: ast.stmt, value: ast.expr, targets: list[ast.expr], made: dict[str, ast.expr]
    ) -> None:
        for target in map(_updated_whole, targets):
            if isinstance(target, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
                self.updates[statement.lineno].append(target)
                texts = {ast.unparse(target) for target in targets}
                if not isinstance(statement, ast.Assign) or _is_increment(value, texts, made):
                    self.increments.add(statement.lineno)
                read = nodes_of(value, ast.Name | ast.Attribute | ast.Subscript | ast.Constant)
                self.reads[statement.lineno] |= {ast.unparse(node) for node in read}
                products = [node for node in nodes_of(value, ast.BinOp | ast.Call) if is_harmless(node, self.pure)]
                self.products[statement.lineno] |= {ast.unparse(node) for node in products if node is not value}

    def _add_indirect_reads(self, scopes: list[tuple[list[ast.Assign], dict[str, set[str]]]]) -> None:
        """Add what variables of an update are made from: the gradient in step = rate * gradient, w -= step."""
        made_from: dict[str, set[str]] = defaultdict(set)
        for _, of_scope in scopes:
            for name, texts in of_scope.items():
                made_from[name] |= texts
        for texts in self.reads.values():
            for _ in range(2):
                texts |= set().union(*(made_from.get(text, set()) for text in texts))

    def _note_differences(
        self, statement: ast.stmt, value: ast.expr, targets: list[ast.expr], copied: Set[str]
    ) -> None:
        """Note a - y, of which a loss that the script does not compute may be made."""
        own = {ast.unparse(target) for target in targets}
        new_values = _new_values(statement, value, copied)
        for node in ast.walk(value):
            sides = _sides_of_difference(node) if node not in new_values else None
            if sides and ast.unparse(sides[0]) not in own and self._may_be_error(sides):
                left, right = map(_operand_text, sides)
                self.differences[statement.lineno].append((left, right))
        match statement:
            case ast.Assign(targets=[target]) if not is_harmless(value, self.pure):
                inner = _without_factor(value)
                is_difference = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub)
                if is_difference and ast.unparse(inner.left) not in self.targets:
                    self.results[statement.lineno].append(ast.unparse(target))
            case ast.AugAssign(target=ast.Subscript() as target, op=ast.Sub(), value=ast.Constant(value=1)):
                self.one_hot[statement.lineno].append(ast.unparse(target))

    def _note_printed(self, statement: ast.Expr) -> None:
        for label, value in printed_values(statement):
            if isinstance(value, ast.Name | ast.Attribute):
                self.labels.setdefault(ast.unparse(value), label)
            elif not isinstance(value, ast.Constant) and is_harmless(value, self.pure):
                self.prints[statement.lineno].append((label, ast.unparse(value)))

    def _may_be_error(self, sides: tuple[ast.expr, ast.expr]) -> bool:
        """Whether a difference is none of an update's own terms, as momentum * velocity - rate * gradient."""
        is_of_terms = any(_is_scaled(side, self.targets) for side in sides)
        return not is_of_terms and all(is_harmless(side, self.pure) for side in sides)

    def text_of(self, line: int) -> str:
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""


@cache
def expression_code(text: str) -> CodeType:
    """An expression, compiled under a file name that is not traced."""
    return compile(text.strip(), "<expression>", "eval")


def read_source(path: Path) -> ScriptSource:
    """Read a script, a module, or the code cells of a notebook."""
    return ScriptSource(str(path), code_of(path))


def code_of(path: Path) -> str:
    """Return the text of a Python file, or that of a notebook's code cells."""
    if path.suffix.lower() == ".ipynb":
        return _code_of_notebook(path.read_text(encoding="utf-8"))
    with tokenize.open(path) as file:  # in the encoding that the file declares
        return file.read()


def _code_of_notebook(text: str) -> str:
    """The code cells one after another, without magics and shell commands; each begins with its number."""
    parts = []
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        code = "".join(cell["source"])
        is_python = not re.match(r"\s*%%(?!time|capture|prun)", code)
        lines = [re.sub(r"^(\s*)[%!?].*", r"\1pass", line) for line in code.splitlines()] if is_python else []
        parts += [f"# cell {number}", *lines]
    return "\n".join(parts) + "\n"


def _lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _updated_targets(statement: ast.stmt) -> list[ast.expr]:
    """The targets that a statement both changes and reads."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub):
        return [] if isinstance(statement.value, ast.Constant) else [statement.target]
    if isinstance(statement, ast.Assign):
        return [target for target in single_targets(statement) if _is_read(target, statement.value)]
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return []
    called = ast.unparse(call.func)
    if called == "setattr" and len(call.args) == 3:  # the same attribute, read
        return [ast.Call(ast.Name("getattr", ast.Load()), call.args[:2], [])]
    if call.args and called.partition(".")[2] in _TARGET_FIRST:
        return [call.args[0]]
    return [keyword.value for keyword in call.keywords if keyword.arg == "out"]


def _is_read(target: ast.expr, value: ast.expr) -> bool:
    read = _texts_read(value)
    is_item_of_read = isinstance(target, ast.Subscript) and ast.unparse(target.value) in read
    return ast.unparse(target) in read or (is_item_of_read and isinstance(value, ast.BinOp))


def _is_increment(value: ast.expr, targets: set[str], made: dict[str, ast.expr]) -> bool:
    """Whether a value is a target plus or minus something, perhaps item by item, or a variable that is."""
    if isinstance(value, ast.Tuple):
        return any(_is_increment(item, targets, made) for item in value.elts)
    if isinstance(value, ast.Name) and value.id in made:
        return _is_increment(made[value.id], targets, {})
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        sides = value.left, value.right
        return any(ast.unparse(side) in targets or _is_increment(side, targets, {}) for side in sides)
    return isinstance(value, ast.ListComp | ast.DictComp)


def _texts_read(value: ast.expr) -> set[str]:
    return {ast.unparse(node) for node in nodes_of(value, ast.Name | ast.Attribute | ast.Subscript)}


def _assignments_by_scope(tree: ast.Module) -> list[tuple[list[ast.Assign], dict[str, set[str]]]]:
    """For the module and each function its assignments, and by variable the texts that it is made from."""
    scopes = []
    for scope in [tree, *nodes_of(tree, ast.FunctionDef)]:
        made_from: dict[str, set[str]] = defaultdict(set)
        assignments = nodes_of(scope, ast.Assign)
        for statement in assignments:
            for target in single_targets(statement):
                if isinstance(target, ast.Name):
                    made_from[target.id] |= _texts_read(statement.value)
        scopes.append((assignments, made_from))
    return scopes


def _values_by_variable(scopes: list[tuple[list[ast.Assign], dict[str, set[str]]]]) -> dict[str, ast.expr]:
    statements = [statement for assignments, _ in scopes for statement in assignments]
    pairs = [(target, statement.value) for statement in statements for target in single_targets(statement)]
    return {target.id: value for target, value in pairs if isinstance(target, ast.Name)}


def _copied_results(scopes: list[tuple[list[ast.Assign], dict[str, set[str]]]]) -> dict[ast.stmt, list[ast.expr]]:
    """Statements such as w = new_w after new_w = w - …, with the targets that they update."""
    copies: dict[ast.stmt, list[ast.expr]] = {}
    for assignments, made_from in scopes:
        for statement in assignments:
            values = statement.value.elts if isinstance(statement.value, ast.Tuple) else [statement.value]
            pairs = zip(single_targets(statement), values, strict=False)
            copied = [t for t, v in pairs if isinstance(v, ast.Name) and ast.unparse(t) in made_from[v.id]]
            if copied:
                copies[statement] = copied
    return copies


def _updated_whole(target: ast.expr) -> ast.expr:
    """What an update of a part changes: W for W[i, j], layers for layers[0], but params["W"] itself."""
    while isinstance(target, ast.Subscript):
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
            break
        target = target.value
    if isinstance(target, ast.Name | ast.Attribute | ast.Subscript) or _is_getattr(target):
        return target
    inner = nodes_of(target, ast.Name | ast.Attribute)  # (+W)[:] -= …, W.copy()[0] -= …: W is meant, and stays
    arrays = [node for node in inner if not (isinstance(node, ast.Name) and node.id in ("np", "numpy"))]
    return next((node for node in arrays if isinstance(node, ast.Name)), target)


def _is_getattr(target: ast.expr) -> bool:
    return isinstance(target, ast.Call) and ast.unparse(target.func) == "getattr"


def _sides_of_difference(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """The two sides of a difference of variables."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        sides = node.left, node.right
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("subtract") and len(node.args) > 1:
        sides = node.args[0], node.args[1]
    else:
        return None
    return None if any(isinstance(side, ast.Constant) for side in sides) else sides


def _new_values(statement: ast.stmt, value: ast.expr, copied: Set[str]) -> list[ast.expr]:
    """The new values that a statement makes for a later update, or for an attribute: p - step, which is no error."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "setattr":
        return value.args[2:]
    is_copied = isinstance(statement, ast.Assign) and {ast.unparse(t) for t in single_targets(statement)} & copied
    return [value] if is_copied else []


def _target_texts(tree: ast.Module) -> set[str]:
    statements = nodes_of(tree, ast.Assign | ast.AugAssign)
    return {ast.unparse(target) for statement in statements for target in _updated_targets(statement)}


def _is_scaled(side: ast.expr, targets: set[str]) -> bool:
    """Whether a side of a difference is a term of an optimizer: decay * weights, momentum * velocity."""
    if not isinstance(side, ast.BinOp) or not isinstance(side.op, ast.Mult):
        return False
    pairs = ((side.left, side.right), (side.right, side.left))
    return any(
        ast.unparse(array) in targets and (isinstance(scale, ast.Constant) or _RATES.search(ast.unparse(scale)))
        for scale, array in pairs
    )


def _without_factor(value: ast.expr) -> Any:
    """The difference in -(a - y), (a - y) / n and 2 * (a - y)."""
    if isinstance(value, ast.UnaryOp):
        return _without_factor(value.operand)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
        is_left = isinstance(value.op, ast.Div) or isinstance(value.left, ast.BinOp)
        return _without_factor(value.left if is_left else value.right)
    return value


def _operand_text(side: ast.expr) -> str:
    return f"({ast.unparse(side)})" if isinstance(side, ast.BinOp) else ast.unparse(side)
