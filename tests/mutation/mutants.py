"""Mutants of Python source: every place where one small change could be a fault, and a draw among them."""

from __future__ import annotations

import ast
import difflib
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}
COMMUTATIVE = {"min", "max", "minimum", "maximum", "cast"}
"""Calls whose first two arguments may change places; a cast changes nothing at all."""
MESSAGES = {"print", "say", "warn", "track", "Table", "add_column"}
"""Calls that only tell a person something."""
BLOCKS = {"ROWS", "PROBES", "CHUNK", "CELLS", "BATCH", "BLOCK", "FILL_BATCH", "BATCH_SIZE", "SEGMENT"}
"""Constants for the amount of work at a time, which change no result."""
SAME_WITHOUT = {"strict", "encoding", "check", "allow_pickle", "stacklevel", "name"}
"""Keywords that change nothing when they are left out, or only guard against faults that are not there."""


class Mutant(NamedTuple):
    """One change of one file.

    Attributes:
        path: path of the file, relative to the repository.
        line: line where the change begins, counted from 1.
        kind: kind of the change.
        start, end: byte offsets of the code that `text` replaces.
        key: name of the change, independent of the rest of the file, so that a draw outlasts other edits.
    """

    path: str
    line: int
    kind: str
    start: int
    end: int
    text: str
    key: str

    def apply(self, source: bytes) -> bytes:
        """Return the source with the change."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """Return only the changed lines, as in a unified diff."""
        before, after = source.decode().splitlines(), self.apply(source).decode().splitlines()
        lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))
        return "\n".join(line for line in lines[2:] if not line.startswith("@@"))


def mutants(path: Path, name: str) -> Iterator[Mutant]:
    """Yield every mutant of a file; some may compile to the same code."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    seen: dict[str, int] = {}
    for node, kind, text in _places(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        what = f"{name}|{kind}|{source[start:end].decode()}|{text}"
        seen[what] = seen.get(what, 0) + 1
        key = hashlib.sha256(f"{what}|{seen[what]}".encode()).hexdigest()[:16]
        yield Mutant(name, node.lineno, kind, start, end, text, key)


def draw(root: Path, packages: list[str], count: int, seed: int) -> list[Mutant]:
    """Draw `count` mutants from packages, from each in proportion to its lines.

    The draw takes the mutants whose keys, hashed with the seed, come first. An edit elsewhere in a file therefore
    changes few of them.
    """
    files = {package: sorted((root / "finetune" / package).rglob("*.py")) for package in packages}
    lines = {package: sum(len(path.read_bytes().splitlines()) for path in files[package]) for package in packages}
    total, drawn, passed = sum(lines.values()), [], 0
    for package in packages:
        before = round(count * passed / total)
        passed += lines[package]
        found = [mutant for path in files[package] for mutant in mutants(path, str(path.relative_to(root)))]
        found.sort(key=lambda mutant: hashlib.sha256(f"{seed}|{mutant.key}".encode()).digest())
        others = (mutant for mutant in found if _is_other_code((root / mutant.path).read_bytes(), mutant))
        drawn += itertools.islice(others, round(count * passed / total) - before)
    return drawn


def _is_other_code(source: bytes, mutant: Mutant) -> bool:
    return ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """Yield each replaceable node, the kind of change, and the new text. Skip messages, types and decorators."""
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _name(node.func) in MESSAGES):
            continue
        if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__"):
            continue
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING":
            continue
        yield from _changes(node)
        if isinstance(node, ast.Assign) and {*map(_name, ast.walk(node.targets[0]))} & BLOCKS:
            continue
        if isinstance(node, ast.keyword) and node.arg in SAME_WITHOUT - {"allow_pickle"}:
            continue
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list", "bases") or (isinstance(node, ast.Raise)):
                continue
            queue += [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    match node:
        case ast.Compare():
            for i, operator in enumerate(node.ops):
                if changed := COMPARISONS.get(type(operator)):
                    ops = [*node.ops[:i], changed(), *node.ops[i + 1 :]]
                    yield node, "comparison", _text(ast.Compare(node.left, ops, node.comparators))
        case ast.BinOp() if changed := ARITHMETIC.get(type(node.op)):
            yield node, "arithmetic", _text(ast.BinOp(node.left, changed(), node.right))
        case ast.BoolOp():
            other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield node, "and/or", _text(ast.BoolOp(other, node.values))
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node, "sign or not dropped", _text(node.operand)
        case ast.Constant(value=bool()):
            yield node, "constant", str(not node.value)
        case ast.Constant(value=int()):
            yield node, "constant", str(node.value + 1)
            yield node, "constant", str(node.value - 1) if node.value else "(-1)"
        case ast.Constant(value=float()):
            yield node, "constant", repr(2 * node.value or 1.0)
        case ast.Return(value=ast.expr()):
            yield node, "returned None", "return None"
        case ast.Expr(value=ast.Call() | ast.Yield()) | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            if not (isinstance(node, ast.Expr) and _name(getattr(node.value, "func", node)) in MESSAGES):
                yield node, "statement dropped", "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "statement dropped", "pass"
        case ast.Call():
            yield from _calls(node)
    if isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
        yield node.test, "condition negated", f"(not {_text(node.test)})"
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        for test in (test for generator in node.generators for test in generator.ifs):
            yield test, "filter dropped", "True"


def _calls(node: ast.Call) -> Iterator[tuple[ast.expr, str, str]]:
    name, args = _name(node.func), node.args
    if isinstance(node.func, ast.Name) and name in CALLS:
        kept = [] if name == "sorted" else node.keywords
        yield node, "another call", _text(ast.Call(ast.Name(CALLS[name]), args, kept))
    if len(args) > 1 and not any(isinstance(arg, ast.Starred) for arg in args[:2]) and name not in COMMUTATIVE:
        yield node, "swapped arguments", _text(ast.Call(node.func, [args[1], args[0], *args[2:]], node.keywords))
    for i, keyword in enumerate(node.keywords):
        if keyword.arg not in SAME_WITHOUT:
            others = [*node.keywords[:i], *node.keywords[i + 1 :]]
            yield node, "keyword dropped", _text(ast.Call(node.func, args, others))


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    text = ast.unparse(ast.fix_missing_locations(node))
    return text if isinstance(node, (ast.Call, ast.Name)) else f"({text})"
