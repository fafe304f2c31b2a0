"""The mutations of a module: each one small change that some test should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change of one file; `number` finds its place among the file's mutations."""

    path: Path
    lines: range
    number: int
    what: str

    def source(self) -> str:
        """The file's text with the change made."""
        tree = ast.parse(self.path.read_text())
        for number, (node, _) in enumerate([*_places(tree)]):
            if number == self.number:
                _change(tree, node)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutations(path: Path) -> list[Mutation]:
    """Every mutation of a file."""
    places = enumerate(_places(ast.parse(path.read_text())))
    return [Mutation(path, _lines(node), number, what) for number, (node, what) in places]


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and not _checks_types(node.test):
            yield node, "condition negated"
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _FLIPPED:
            yield node, "comparison flipped"
        elif isinstance(node, ast.BoolOp):
            yield node, "and and or exchanged"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, "True and False exchanged"
        elif isinstance(node, ast.Raise):
            yield node, "raise removed"


def _lines(node: ast.expr | ast.stmt) -> range:
    last = node.test if isinstance(node, ast.If) else node
    assert last.end_lineno is not None
    return range(node.lineno, last.end_lineno + 1)


def _checks_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _change(tree: ast.Module, node: ast.expr | ast.stmt) -> None:
    if isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Compare):
        node.ops[0] = _FLIPPED[type(node.ops[0])]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.Constant):
        node.value = not node.value
    elif isinstance(node, ast.Raise):
        _replace(tree, node, ast.Pass())


def _replace(tree: ast.Module, old: ast.stmt, new: ast.stmt) -> None:
    for node in ast.walk(tree):
        for _, statements in ast.iter_fields(node):
            if isinstance(statements, list) and old in statements:
                statements[statements.index(old)] = new
