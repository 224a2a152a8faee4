"""The server of `docs/how-to/new-photos.md` starts as it is shown, and answers over HTTP."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from tests.align.conftest import scene
from tests.docs.outputs import code

pytestmark = [pytest.mark.tf, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/new-photos.md"


def png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def ask(port: int, content: bytes) -> list:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/names", content)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def port(faces, drawn_checkpoint, tmp_path):
    """Start the page's server on a free port of 127.0.0.1, with a gallery of the drawn people."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason=f"{package} is not installed; it is not among finetune's dependencies")
    from finetune.gallery import enroll
    from finetune.model import Model

    people = {folder.name: folder for folder in sorted((faces / "learn").iterdir())}
    enroll(tmp_path / "friends.h5", people, Model.restore(drawn_checkpoint))
    (server,) = code(PAGE, "python")
    (tmp_path / "server.py").write_text(server)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "uvicorn", "server:app", "--host", "127.0.0.1", "--port", str(number)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(240):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", number)) == 0:
                    break
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.5)
        yield number
    finally:
        process.terminate()
        process.wait(timeout=60)
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_photo_is_answered_with_its_faces_and_anything_else_with_none(port):
    found = ask(port, png(scene([(20, 30, 80), (150, 30, 80)], 150, 260)))
    assert len(found) == 2
    for face in found:
        assert face["name"].startswith("person_") or face["name"] == "unknown"
        assert -1 <= face["score"] <= 1
        left, top, right, bottom = face["box"]
        assert left < right
        assert top < bottom
    assert ask(port, b"not an image") == []
    with pytest.raises(urllib.error.HTTPError, match="422"):
        ask(port, b"")


def test_the_server_is_short():
    (server,) = code(PAGE, "python")
    assert len([line for line in server.splitlines() if line.strip()]) <= 22
