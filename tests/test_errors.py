"""Errors are data: place, finding and advice are fields, and no code looks into a message's text."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune import errors
from finetune.errors import DataError, Interrupted, Problem, UserError, attempt, bounded

SOURCES = sorted(Path(errors.__file__).parent.rglob("*.py"))
OF_TEXTS = {"endswith", "find", "index", "lstrip", "partition", "removeprefix", "removesuffix", "replace"} | {
    *("rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
}
"""Methods that look into a text, or change it."""
FIELDS = frozenset({"advice", "failure", "found", "problem", "reason", "source"})
"""Attributes that hold words for people."""
TAKEN_APART = """
try:
    pass
except DataError as error:
    error.problems[0]
    str(error).partition(": ")
    f"{error}".endswith("gone")
    reason = str(error)
    reason.replace("a", "b")
    "gone" in str(error)
decision.reason.removesuffix("; rolled back")
"assumed" in preprocessing.source
"""


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.txt:3", "found 'x'", "write NAME"), "a.txt:3: found 'x'; write NAME"),
        (Problem(Path("a"), "damaged"), "a: damaged"),
        (Problem("", "no photo", "give one"), "no photo; give one"),
        (Problem("out", "", "give a file name"), "out: give a file name"),
    ],
)
def test_a_problem_s_text_leaves_out_what_is_absent(problem, text):
    assert str(problem) == text


def test_a_wider_place_goes_before_a_problem_s_own_and_more_advice_after():
    problem = Problem("b", "damaged", "mend it")
    assert problem.within("a", "or leave it out") == Problem("a: b", "damaged", "mend it; or leave it out")
    assert problem.within() == problem
    assert Problem("", "damaged").within(Path("a"), "mend it") == Problem(Path("a"), "damaged", "mend it")
    both = UserError(problem, Problem("", "gone"))
    assert both.within("a") == [Problem("a: b", "damaged", "mend it"), Problem("a", "gone")]


def test_an_error_keeps_its_problems_and_prints_a_line_for_each():
    problems = Problem("a", "gone"), Problem("b", "damaged", "mend it")
    error = DataError(*problems)
    assert error.problems == problems
    assert str(error) == "a: gone\nb: damaged; mend it"
    assert pickle.loads(pickle.dumps(error)).problems == problems
    assert str(Interrupted(Problem("", "stopped", "resume it"), 15)) == "stopped; resume it"
    found: list[Problem] = []

    def fail() -> None:
        raise error

    assert attempt(found, fail) is None
    assert found == [*problems]


@pytest.mark.parametrize("n", [1, errors.SHOWN, errors.SHOWN + 1])
def test_many_problems_are_counted_from_a_limit_on(n):
    problems = [Problem(str(i), "gone") for i in range(n)]
    told = bounded(problems, "list", "is it the right one?")
    more = [Problem("list", "1 more lines like these", "is it the right one?")] if n > errors.SHOWN else []
    assert told == problems[: errors.SHOWN] + more


def test_no_code_takes_a_message_apart():
    classes = ours([ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES])
    assert {"UserError", "ImageError", "RunError", "StageFailed", "Held"} <= classes
    found = [
        f"{path}:{line}" for path in SOURCES for line in apart(ast.parse(path.read_text(encoding="utf-8")), classes)
    ]
    assert found == []


def test_the_search_for_it_finds_each_way():
    lines = TAKEN_APART.splitlines()
    expected = [
        number for number, line in enumerate(lines, 1) if line and not line.startswith(("try", "    pass", "exc"))
    ]
    expected.remove(lines.index("    reason = str(error)") + 1)
    assert sorted(apart(ast.parse(TAKEN_APART), {"DataError"})) == expected


def ours(trees: list[ast.Module]) -> set[str]:
    """Return the names of finetune's errors: `FinetuneError` and its subclasses."""
    bases = {
        node.name: {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"FinetuneError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def apart(tree: ast.AST, classes: set[str]) -> Iterator[int]:
    """Yield the lines that take one problem of several, or look into the text of an error or of words for people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and attribute(node.value) == "problems":
            if isinstance(node.slice, (ast.Constant, ast.UnaryOp)):
                yield node.lineno
        elif isinstance(node, ast.ExceptHandler) and node.name and caught(node.type) & classes:
            names = tainted(node)
            yield from (part.lineno for part in ast.walk(node) if names & used(looked_into(part)))
        elif attribute(looked_into(node)) in FIELDS:
            yield node.lineno


def looked_into(node: ast.AST) -> ast.AST:
    """Return the text that a call or a comparison looks into; an empty statement for other nodes."""
    if isinstance(node, ast.Call) and attribute(node.func) in OF_TEXTS:
        return node.func.value
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return node.comparators[0]
    return ast.Pass()


def tainted(handler: ast.ExceptHandler) -> set[str]:
    """Return the error's name, and the names that hold its text in the handler."""
    names = {str(handler.name)}
    for node in ast.walk(handler):
        if isinstance(node, ast.Assign) and names & used(node.value):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def caught(kind: ast.expr | None) -> set[str]:
    return {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(kind)} if kind else set()


def used(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def attribute(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""
