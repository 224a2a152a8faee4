"""Command that runs the mutants of finetune against the tests that mirror them; README.md here has the results.

    python tests/mutation/run.py --results build/mutants.json

One process imports the libraries, TensorFlow among them, and forks a child per mutant. The child works in a copy of the
tree that has the change, so that processes which its tests start see it too. Results are kept as they come. The
same command continues where it was stopped, and repeats what has changed since.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from mirrors import MARKS, PACKAGES, marks_of, tests_of
from mutants import Mutant, draw

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is first imported
ROOT = Path(__file__).resolve().parents[2]
COPIED = ("finetune", "tests", "recipes", "data", "pyproject.toml", "setup.py", "README.md", "CHANGELOG.md")
LIBRARIES = ("tensorflow", "keras", "tf_slim", "sklearn.svm", "sklearn.linear_model", "sklearn.model_selection")
LIBRARIES += ("scipy.stats", "scipy.optimize", "h5py", "yaml", "PIL.Image", "PIL.ImageDraw", "PIL.ImageFont", "cv2")
LIBRARIES += ("joblib", "jinja2", "matplotlib", "rich.table", "hypothesis.strategies", "pytest")
Tests = tuple[str, ...]
"""Test files, relative to the repository."""
SURVIVED = ("survived", "no test")


def main() -> None:
    """Draw the mutants, run those without a result, and print the table and the survivors."""
    parser = argparse.ArgumentParser(description="Run mutants of finetune against the tests that mirror them.")
    parser.add_argument("--results", type=Path, default=ROOT / "build/mutants.json", help="JSON file; resumed")
    parser.add_argument("--count", type=int, default=320, help="mutants to draw (default 320)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="children at a time (default 2)")
    parser.add_argument("--only", default="", help="mutants of paths with this text alone, drawn as without it")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as work:
        tree = Path(work) / "tree"
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, _parent(tree / name))
        drawn = [m for m in draw(tree, PACKAGES, options.count, options.seed) if options.only in m.path]
        results = _read(options.results)
        keys = {}
        for mutant in drawn:
            tests = tests_of(tree, mutant.path)
            keys[mutant] = _key(tree, (mutant.path, *tests), mutant.key, *_unusual(tests))
        left = [mutant for mutant in drawn if keys[mutant] not in results]
        if left:
            _prepare(tree, Path(work))
        seconds, red = results.setdefault("seconds", {}), []
        for package in PACKAGES:
            mutants = [mutant for mutant in left if mutant.path.split("/")[1] == package]
            for test, spent in _baseline(tree, Path(work), mutants, seconds, options.jobs):
                red += [test] if spent is None else []
                seconds |= {} if spent is None else {_key(tree, (test,), *_unusual((test,))): spent}
                _write(options.results, results)
            mutants = [mutant for mutant in mutants if not set(red) & set(tests_of(tree, mutant.path))]
            for mutant, result in _run(tree, Path(work), mutants, seconds, options.jobs):
                results[keys[mutant]] = result
                _write(options.results, results)
        drawn = [mutant for mutant in drawn if keys[mutant] in results]
        _print(tree, drawn, [results[keys[mutant]] for mutant in drawn])
        for test in red:
            print(f"not green on the unchanged code, so nothing was tried with it: {test}")
        sys.exit(bool(red))


def _prepare(tree: Path, work: Path) -> None:
    """Draw the checkpoint that the tests share, once for all children, with the unchanged code."""
    code = "import sys; from pathlib import Path; from tests.conftest import draw_checkpoint, draw_faces; "
    code += "work = Path(sys.argv[1]); draw_checkpoint(work / 'checkpoint', draw_faces(work / 'faces'))"
    subprocess.run([sys.executable, "-c", code, str(work)], cwd=tree, check=True)
    os.environ["FINETUNE_DRAWN_CHECKPOINT"] = str(work / "checkpoint")


def _baseline(
    tree: Path, work: Path, mutants: list[Mutant], known: Mapping[str, float], jobs: int
) -> Iterator[tuple[str, float | None]]:
    """Yield each test file with its CPU seconds on the unchanged code, or None if it is not green."""
    files = sorted({test for mutant in mutants for test in tests_of(tree, mutant.path)})
    tasks = [(test, tree, (test,), 900.0) for test in files if _key(tree, (test,), *_unusual((test,))) not in known]
    for test, status, spent, log in _children(tasks, work, jobs):
        green = status in (0, 5)  # 5: every test is slow or needs real data
        print(f"{spent:6.1f} s  {test}" if green else f"{log}\n{test}: not green", flush=True)
        yield test, spent if green else None


def _run(
    tree: Path, work: Path, mutants: list[Mutant], seconds: Mapping[str, float], jobs: int
) -> Iterator[tuple[Mutant, dict[str, object]]]:
    """Yield each mutant with its result, as they come."""

    def tasks() -> Iterator[tuple[Mutant, Path, Tests, float]]:
        for mutant in mutants:
            if tests := tests_of(tree, mutant.path):
                copy = work / f"mutant-{mutant.key}"
                shutil.copytree(tree, copy, copy_function=os.link)
                target = copy / mutant.path
                changed = mutant.apply(target.read_bytes())
                target.unlink()
                target.write_bytes(changed)
                yield (
                    mutant,
                    copy,
                    tests,
                    3 * sum(seconds[_key(tree, (test,), *_unusual((test,)))] for test in tests) + 10,
                )

    for mutant in mutants:
        if not tests_of(tree, mutant.path):
            yield mutant, _result(mutant, "no test", 0.0, "")
    for number, (mutant, status, spent, log) in enumerate(_children(tasks(), work, jobs), start=1):
        shutil.rmtree(work / f"mutant-{mutant.key}", ignore_errors=True)
        verdict = {0: "survived", 1: "killed", 5: "no test"}.get(status, "killed" if status > 0 else "timeout")
        where = f"{mutant.path}:{mutant.line}"
        print(f"{number:4} {verdict:8} {spent:5.1f} s  {where}  {mutant.kind}", flush=True)
        yield mutant, _result(mutant, verdict, spent, next((s for s in log.splitlines() if s.startswith("FAILED")), ""))


def _unusual(tests: Tests) -> Tests:
    """Return the marks of these tests as a part of a key, or nothing if they are the usual ones."""
    marks = marks_of(tests)
    return () if marks == MARKS else (marks,)


def _result(mutant: Mutant, verdict: str, seconds: float, failed: str) -> dict[str, object]:
    return {
        "path": mutant.path,
        "line": mutant.line,
        "kind": mutant.kind,
        "verdict": verdict,
        "seconds": round(seconds, 1),
        "failed": failed,
    }


def _children(tasks, work: Path, jobs: int):  # type: ignore[no-untyped-def]
    """Run pytest in a forked child per task (what, folder, tests, CPU limit). Yield what, status, seconds, log."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    tasks, running, number = iter(tasks), {}, 0
    while True:
        while len(running) < jobs and (task := next(tasks, None)) is not None:
            what, folder, tests, limit = task
            number += 1
            log = work / f"{number}.log"
            pid = os.fork()
            if not pid:
                _child(folder, tests, log, limit)
            running[pid] = what, log, time.monotonic() + 10 * limit + 120
        if not running:
            return
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid in running:
            what, log, _ = running.pop(pid)
            _kill(pid)  # what its tests have left running
            yield what, os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, log.read_text()
            continue
        for late in [pid for pid, (*_, end) in running.items() if time.monotonic() > end]:
            _kill(late)
        time.sleep(0.05)


def _child(folder: Path, tests: tuple[str, ...], log: Path, limit: float) -> None:
    """Run the tests in this process and leave it with their status. The limit is in CPU seconds."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    sys.path[:] = [str(folder), *(p for p in sys.path if Path(p or ".").resolve() not in (ROOT, Path(__file__).parent))]
    os.environ.update(PYTHONPATH=str(folder), FINETUNE_SHARED=str(folder / "none"))
    status = 70
    try:
        import pytest

        options = ["-x", "-q", "-m", marks_of(tests), "-p", "no:cacheprovider", f"--basetemp={log.with_suffix('.tmp')}"]
        status = int(pytest.main([*options, *tests], plugins=[_Unshrunk()]))
    finally:
        sys.stdout.flush()
        os._exit(status)


class _Unshrunk:
    """A plugin that takes the first example that fails, because nobody will read it."""

    def pytest_collection(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("unshrunk", settings.get_profile("finetune"), phases=[Phase.explicit, Phase.generate])
        settings.load_profile("unshrunk")


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _print(tree: Path, drawn: list[Mutant], results: list[dict[str, object]]) -> None:
    for mutant, result in zip(drawn, results, strict=True):
        if result["verdict"] in SURVIVED:
            print(f"\n{mutant.path}:{mutant.line}  {mutant.kind}; {result['verdict']}")
            print(mutant.diff((tree / mutant.path).read_bytes()))
    total, alive = Counter(), Counter()
    for mutant, result in zip(drawn, results, strict=True):
        package = mutant.path.split("/")[1]
        total[package] += 1
        alive[package] += result["verdict"] in SURVIVED
    print("\n| package | mutants | killed | survived |\n| --- | ---: | ---: | ---: |")
    for package in [*total, "all"]:
        n, left = (total[package], alive[package]) if package != "all" else (total.total(), alive.total())
        print(f"| {package} | {n} | {n - left} ({(n - left) / n:.1%}) | {left} |")


def _key(tree: Path, names: Tests, *others: str) -> str:
    """Return a digest of files and of other texts."""
    digest = hashlib.sha256("|".join(others).encode())
    for name in names:
        digest.update((tree / name).read_bytes())
    return digest.hexdigest()[:24]


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write(path: Path, results: dict[str, Any]) -> None:
    beside = _parent(path.with_suffix(".partial"))
    beside.write_text(json.dumps(results, indent=1))
    beside.replace(path)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    main()
