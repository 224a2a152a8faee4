"""What is built has all that it needs, and what a GPU VM is told to install can be resolved."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

import finetune

ROOT = Path(__file__).resolve().parent.parent
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def pip(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*PIP, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's files, copied: building leaves folders behind."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("finetune", "recipes", "data", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "requirements-gpu.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


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
    recipes = {f"finetune/{name}" for name in relative_files("recipes", "*.yaml")}
    data = {f"finetune/{name}" for name in relative_files("data", "*.txt")}
    assert recipes
    assert data
    templates = relative_files("finetune/report/templates", "*")
    assert templates
    assert files == relative_files("finetune", "*.py") | {"finetune/py.typed"} | templates | recipes | data


def test_the_wheel_states_its_version_python_and_command(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert metadata["Version"] == finetune.__version__
    assert set(metadata["Requires-Python"].split(",")) == {">=3.10", "<3.14"}
    assert "finetune = finetune.cli:main" in wheel.read(f"{info}/entry_points.txt").decode().splitlines()


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
    assert versions["finetune"] == finetune.__version__
    assert {"tensorflow", "tf-slim", "nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= set(versions)
