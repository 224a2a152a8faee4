"""Imports run one way, and code that needs no TensorFlow does not load it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FACADE = ROOT / "finetune/__init__.py"  # the public names, of every part
SOURCES = sorted({*(ROOT / "finetune").rglob("*.py")} - {FACADE})
FACES = sorted((ROOT / "finetune").glob("*/**/__init__.pyi"))
PACKAGES = {path.parent for path in SOURCES if path.name == "__init__.py"}

ORDER = (
    "arrays",
    "errors",
    "words",
    "brief",
    "cells",
    "files",
    "zips",
    "path_list",
    "paths",
    "names",
    "pickles",
    "notebook",
    "schema",
    "progress",
    "interruption",
    "backbones",
    "images",
    "training.objectives",
    "training.optimization",
    "recipe",
    "network",
    "runtime",
    "align",
    "quality",
    "dataset",
    "checkpoint",
    "agreement",
    "predictions",
    "model",
    "light",
    "training",
    "verification",
    "identification",
    "embedding",
    "downloads",
    "doctor",
    "record",
    "gallery",
    "clustering",
    "report",
    "runs",
    "tuning",
    "export.formats",
    "export",
    "demo",
    "cli",
    "__main__",
)
"""Parts of the package in order. Each may import itself and those before it. A package within one may be a part too."""

WITHOUT_TENSORFLOW = (
    "agreement",
    "align",
    "arrays",
    "backbones",
    "brief",
    "cells",
    "checkpoint",
    "dataset",
    "doctor",
    "downloads",
    "embedding",
    "errors",
    "export.formats",
    "files",
    "gallery",
    "clustering",
    "zips",
    "identification",
    "images",
    "light",
    "model",
    "names",
    "notebook",
    "path_list",
    "paths",
    "pickles",
    "progress",
    "quality",
    "interruption",
    "recipe",
    "schema",
    "training.objectives",
    "training.optimization",
    "verification",
    "words",
)
WITH_TENSORFLOW = (
    "finetune.dataset.pipeline",
    "finetune.embedding.frozen",
    "finetune.export.formats.facenet_graph",
    "finetune.export.formats.keras_graph",
    "finetune.export.formats.keras_model",
    "finetune.export.formats.serving",
    "finetune.images.standardization",
    "finetune.light.making",
    "finetune.light.translation",
    "finetune.model.model",
    "finetune.training.objectives.distances",
    "finetune.training.objectives.mining",
)


def module_name(source: Path) -> str:
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(text: str, module: str, is_package: bool) -> Iterator[str]:
    """Yield the dotted names of finetune that a source imports anywhere, without `finetune.`."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
        else:
            continue
        yield from (name.removeprefix("finetune.") for name in names if f"{name}.".startswith("finetune."))


def part_of(name: str) -> str:
    """Return the part that a dotted name lies in, without `finetune.`."""
    words = name.split(".")
    return next((part for n in (2, 1) if (part := ".".join(words[:n])) in ORDER), words[0])


def against_the_order(text: str, module: str, is_package: bool = False) -> list[str]:
    """Return the parts that a source imports although they come after it or are not parts of the package."""
    own = ORDER.index(part_of(module.removeprefix("finetune.")))
    parts = (part_of(name) for name in imported(text, module, is_package))
    return [part for part in parts if part not in (*ORDER[: own + 1], "__version__")]


@pytest.mark.parametrize("source", SOURCES, ids=module_name)
def test_imports_run_one_way(source: Path) -> None:
    module = module_name(source)
    assert part_of(module.removeprefix("finetune.")) in ORDER, f"say in ORDER where {module} stands"
    assert against_the_order(source.read_text(encoding="utf-8"), module, source.name == "__init__.py") == []


def past_a_face(text: str, module: str, is_package: bool = False) -> list[str]:
    """Return the names that a source imports from inside another package instead of from the package itself."""
    own = module if is_package else module.rpartition(".")[0]
    found = []
    for name in imported(text, module, is_package):
        *folders, _ = ["finetune", *name.split(".")]
        home = next(
            p for n in range(len(folders), 0, -1) if (p := ROOT / Path(*folders[:n])) in PACKAGES | {FACADE.parent}
        )
        package = ".".join(home.relative_to(ROOT).parts)
        if package not in ("finetune", own) and len(folders) > len(package.split(".")):
            found.append(name)
    return found


@pytest.mark.parametrize("source", SOURCES, ids=module_name)
def test_packages_are_imported_by_their_faces(source: Path) -> None:
    module = module_name(source)
    found = past_a_face(source.read_text(encoding="utf-8"), module, source.name == "__init__.py")
    assert found == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from finetune.images import read_image", []),
        ("from finetune.verification.pairs import read_pairs", []),
        ("from finetune.words import counted", []),
        ("from finetune.dataset.importers import read_csv", []),
        ("from finetune.verification.protocols import area", []),
        ("from finetune.images.reading import read_image", ["images.reading.read_image"]),
        ("def f():\n    from finetune.dataset.importers.table import read_csv", ["dataset.importers.table.read_csv"]),
        ("from ..images.reading import read_image", ["images.reading.read_image"]),
        ("import finetune.images.reading", []),
    ],
)
def test_imports_past_a_face_are_seen(text: str, found: list[str]) -> None:
    assert past_a_face(text, "finetune.verification.comparison") == found


@pytest.mark.parametrize("face", FACES, ids=lambda path: path.parent.name)
def test_no_module_has_the_name_of_something_that_its_package_gives(face: Path) -> None:
    given = [
        alias.name for node in ast.parse(face.read_text(encoding="utf-8")).body for alias in node.names if node.module
    ]
    modules = {path.stem for path in face.parent.glob("*.py")} | {
        path.name for path in face.parent.iterdir() if path.is_dir()
    }
    assert len(given) == len(set(given))
    assert modules.isdisjoint(given)


@pytest.mark.tf
@pytest.mark.parametrize("face", FACES, ids=lambda path: path.parent.name)
def test_every_name_of_a_face_can_be_imported(face: Path) -> None:
    package = importlib.import_module(".".join(face.parent.relative_to(ROOT).parts))
    assert [name for name in package.__all__ if getattr(package, name, None) is None] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from finetune.errors import DataError", []),
        ("from finetune.model import Model", []),
        ("from finetune import errors, __version__", []),
        ("from . import lfw\nfrom .pairs import read_pairs\nfrom .. import model", []),
        ("import finetune.runs", ["runs"]),
        ("def f():\n    from finetune.cli.run import main", ["cli"]),
        ("from finetune import report", ["report"]),
        ("from ..report import page", ["report"]),
        ("from .. import cli", ["cli"]),
        ("from finetune import Model", ["Model"]),
        ("from finetune.training import objectives", []),
        ("from finetune.training.objectives import LOSSES", []),
        ("import finetune", ["finetune"]),
    ],
)
def test_imports_against_the_order_are_seen(text: str, found: list[str]) -> None:
    assert against_the_order(text, "finetune.verification.comparison") == found


def house() -> list[str]:
    """Return the rows of the map of the house: each part in order, its docstring's first sentence, and its files."""
    rows = []
    for part in ORDER[:-1]:
        place = ROOT / "finetune" / part.replace(".", "/")
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        sentence = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        found = [path for path in place.rglob("*.py") if path.name != "__init__.py"]
        files = sorted(path.relative_to(place) for path in found if part_of(module_name(path)[9:]) == part)
        named = " ".join(f"`{path.with_suffix('').as_posix()}`" for path in files)
        rows.append(
            f"| `{part.replace('.', '/')}{'/' if files else '.py'}` | {' '.join(sentence.split())} | {named} |".replace(
                "|  |", "| |"
            )
        )
    return rows


def test_the_map_of_the_house_in_contributing_is_true() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if re.match(r"\| `[\w/]+(/|\.py)` \|", line)]
    assert told == house()


def loaded_by(statements: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after the statements."""
    code = f"{statements}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_modules_without_tensorflow_do_not_load_it() -> None:
    names = [
        name for name in map(module_name, SOURCES) if part_of(name.removeprefix("finetune.")) in WITHOUT_TENSORFLOW
    ]
    names = [name for name in names if name not in WITH_TENSORFLOW]
    loaded = loaded_by("\n".join(f"import {name}" for name in names))
    assert loaded >= set(names)
    assert loaded.isdisjoint({"tensorflow", "keras", "tf_slim"})


def test_a_stage_is_imported_without_the_large_libraries() -> None:
    loaded = loaded_by("from finetune import Recipe, Stage")
    assert "finetune.recipe" in loaded
    assert loaded.isdisjoint({"tensorflow", "keras", "tf_slim", "sklearn", "scipy", "scipy.stats", "h5py"})


def test_the_public_names_are_listed_and_no_others_are_found() -> None:
    import finetune

    assert set(finetune.__all__) <= set(dir(finetune))
    assert issubclass(finetune.FinetuneError, Exception)
    with pytest.raises(AttributeError, match="No finetune attribute Finetuner"):
        _ = finetune.Finetuner
