from __future__ import annotations

from pathlib import Path

import pytest

from finetune.paths import find_file

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["recipes/vggface2.yaml", "data/learning_rate_schedule_classifier_casia.txt"])
def test_what_comes_with_finetune_is_found_from_anywhere(name: str):
    assert find_file(name).read_bytes() == (ROOT / name).read_bytes()


def test_a_file_of_ones_own_goes_before(elsewhere: Path):
    own = elsewhere / "recipes/vggface2.yaml"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    assert find_file("recipes/vggface2.yaml").read_text(encoding="utf-8") == "mine"
    assert find_file("~/recipes/vggface2.yaml") == own


@pytest.mark.parametrize("name", ["recipes/none.yaml", "vggface2.yaml", "other/recipes/vggface2.yaml", "recipes", "/x"])
def test_anything_else_stays_as_it_is(name: str):
    assert find_file(name) == Path(name)
