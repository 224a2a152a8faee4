"""Builds have all that they need, hints install what is meant, and the packages for a GPU VM can be resolved."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

import finetune

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (".ci", "benchmarks", "data", "docs", "finetune", "recipes", "tests")
FILES = (
    ".editorconfig",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "mkdocs.yml",
    "pyproject.toml",
    "requirements-gpu.txt",
    "setup.py",
)
NAME = "facenet-finetune"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def pip(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*PIP, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the repository's files, because building leaves folders behind."""
    folder = tmp_path_factory.mktemp("clone")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    return Parser().parsestr(wheel.read(f"{info}/METADATA").decode())


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    if tuple(map(int, version("setuptools").split(".")[:2])) < (70, 1):
        pytest.skip(f"setuptools {version('setuptools')} builds no wheels by itself; install the extra 'dev'")
    out = tmp_path_factory.mktemp("wheel")
    done = pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, ".", cwd=clone)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    with zipfile.ZipFile(built) as archive:
        yield archive


def relative_files(folder: str, pattern: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(pattern)}


def test_the_wheel_holds_the_modules_recipes_and_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    recipes = {f"finetune/{name}" for pattern in ("*.yaml", "*.json") for name in relative_files("recipes", pattern)}
    data = {f"finetune/{name}" for name in relative_files("data", "*.txt")}
    assert recipes
    assert data
    templates = relative_files("finetune/report/templates", "*")
    assert templates
    templates |= relative_files("finetune/clustering/templates", "*")
    modules = relative_files("finetune", "*.py") | relative_files("finetune", "*.pyi")
    assert files == modules | {"finetune/py.typed"} | templates | recipes | data


def test_the_wheel_states_its_version_python_and_command(wheel: zipfile.ZipFile, metadata: Message) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert metadata["Version"] == finetune.__version__
    assert set(metadata["Requires-Python"].split(",")) == {">=3.10", "<3.14"}
    assert "finetune = finetune.cli:main" in wheel.read(f"{info}/entry_points.txt").decode().splitlines()


def test_the_wheel_states_its_licence_and_authors(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["Name"] == NAME
    assert (metadata["License-Expression"] or metadata["License"]) == "MIT"
    assert metadata["Author"] == "The finetune developers"
    assert "Programming Language :: Python :: 3.13" in metadata.get_all("Classifier")
    (licence,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


@pytest.mark.slow
def test_the_sdist_holds_what_a_clone_does(clone: Path, tmp_path: Path) -> None:
    expected = {path.relative_to(clone).as_posix() for path in clone.rglob("*") if path.is_file()}
    expected = {name for name in expected if name.split("/")[0] in {*FOLDERS, *FILES}}
    build = "import setuptools.build_meta as b, sys; b.build_sdist(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = tmp_path.iterdir()
    with tarfile.open(built) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert not expected - found


def texts() -> dict[str, str]:
    """Return every text of the repository that a reader or a program may take a command from, by path."""
    suffixes = {".py", ".md", ".txt", ".yaml", ".toml", ".html", ".cfg", ""}
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    paths = [path for path in (*paths, *(ROOT / name for name in FILES)) if path.is_file()]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def hints() -> list[tuple[str, str, str]]:
    """Return each requirement with extras that a text installs with pip: (path, what is installed, extra)."""
    requirement = re.compile(r"pip install [^\n`;]*?['\" ]((?:[\w-]+|\.))\\?\[([^\]\\]+)\\?\]")
    return [(path, *match.groups()) for path, text in texts().items() for match in requirement.finditer(text)]


def test_no_text_installs_somebody_elses_package_of_that_name() -> None:
    assert {name for _, name, _ in hints()} == {".", NAME}
    theirs = re.compile(r"""pip install (-\S+ )*['"]?finetune\b""")
    assert [path for path, text in texts().items() if theirs.search(text)] == []


def test_hints_name_extras_that_there_are(metadata: Message) -> None:
    there = set(metadata.get_all("Provides-Extra"))
    asked = {extra for _, _, extra in hints()} - {"{name}"} | {"onnx", "tflite", "openvino"}
    assert asked <= there


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow's CUDA packages are for Linux alone")
def test_the_gpu_requirements_resolve(clone: Path) -> None:
    dry_run = ("install", "--dry-run", "--ignore-installed")
    if pip(*dry_run, "--no-deps", "tf-slim", cwd=clone).returncode:
        pytest.skip("the package registry can't be reached")
    report = clone / "report.json"
    done = pip(*dry_run, "--report", report, "-r", "requirements-gpu.txt", cwd=clone)
    assert done.returncode == 0, done.stderr
    install = json.loads(report.read_text(encoding="utf-8"))["install"]
    versions = {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in install}
    assert versions[NAME] == finetune.__version__
    assert {"tensorflow", "tf-slim", "nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= set(versions)
