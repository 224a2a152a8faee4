"""Mutants are different code, leave out texts for people, and are drawn independently of the code beside them."""

from __future__ import annotations

import ast

import pytest

from tests.mutation.mirrors import tests_of as mirrors_of
from tests.mutation.mutants import draw, mutants

SOURCE = '''"""A docstring with 1 number."""
from typing import Annotated


def share(part: Annotated[int, 7], whole: int = 4) -> float:
    """Return part / whole."""
    if part < 0 or not whole:
        raise ValueError(f"found {part + 1}", 99)
    print("told", 3)
    return max(part, 1) / whole
'''
EXPECTED = {
    ("constant", "5"),
    ("constant", "3"),
    ("and/or", "(part < 0 and (not whole))"),
    ("condition negated", "(not (part < 0 or (not whole)))"),
    ("comparison", "(part <= 0)"),
    ("constant", "1"),
    ("constant", "(-1)"),
    ("sign or not dropped", "(whole)"),
    ("statement dropped", "pass"),
    ("returned None", "return None"),
    ("arithmetic", "(max(part, 1) * whole)"),
    ("another call", "min(part, 1)"),
    ("constant", "2"),
    ("constant", "0"),
}


def parsed(text: str) -> str:
    return ast.dump(ast.parse(text))


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "finetune/a").mkdir(parents=True)
    (tmp_path / "finetune/a/b.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


def test_each_operator_changes_its_place_and_messages_and_types_are_left(tree):
    found = list(mutants(tree / "finetune/a/b.py", "finetune/a/b.py"))
    assert {(mutant.kind, parsed(mutant.text)) for mutant in found} == {(k, parsed(text)) for k, text in EXPECTED}
    before = ast.dump(ast.parse(SOURCE))
    for mutant in found:
        changed = mutant.apply(SOURCE.encode()).decode()
        assert ast.dump(ast.parse(changed)) != before
        assert f"+{changed.splitlines()[mutant.line - 1]}" in mutant.diff(SOURCE.encode()).splitlines()


def test_an_edit_elsewhere_changes_no_draw(tree):
    before = draw(tree, ["a"], 5, seed=3)
    assert len(before) == 5
    path = tree / "finetune/a/b.py"
    path.write_text(SOURCE.replace("import Annotated", "import Annotated\n\nNAMES = ('é',)"), encoding="utf-8")
    after = draw(tree, ["a"], 5, seed=3)
    assert [mutant.key for mutant in after] == [mutant.key for mutant in before]
    assert [mutant.line for mutant in after] == [mutant.line + 2 for mutant in before]
    assert [mutant.key for mutant in draw(tree, ["a"], 5, seed=4)] != [mutant.key for mutant in before]


def test_a_module_meets_its_mirror_first_and_then_what_is_named(tree):
    (tree / "tests/gallery").mkdir(parents=True)
    for name in ("svm", "classifiers"):
        (tree / f"tests/gallery/test_{name}.py").touch()
    assert mirrors_of(tree, "finetune/gallery/svm.py") == (
        "tests/gallery/test_svm.py",
        "tests/gallery/test_classifiers.py",
    )
    assert mirrors_of(tree, "finetune/gallery/classifiers.py") == ("tests/gallery/test_classifiers.py",)
    assert mirrors_of(tree, "finetune/gallery/pictures.py") == ()
