"""The timed cases do what their names say."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from benchmarks.data import Data, link
from benchmarks.naive import NaiveLoop
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.suites import mapped, mining, search
from benchmarks.suites.scaling import slopes
from finetune import Model
from finetune.dataset.scanning import scan
from finetune.paths import find_images

pytestmark = pytest.mark.tf


@pytest.fixture
def data(faces, drawn_checkpoint, tmp_path) -> Data:
    learn, everyone = faces / "learn", faces / "strangers"
    return Data(drawn_checkpoint, learn, everyone, faces / "pairs.txt", everyone, tmp_path, False)


@pytest.mark.slow
def test_the_naive_loop_trains_every_variable(data) -> None:
    dataset = scan(data.learn).dataset
    model = Model.restore(data.checkpoint, class_names=dataset.class_names)
    before = model.digests()
    loop = NaiveLoop(model, dataset, batch_size=8)
    assert loop.seconds_per_image(2) > 0
    after = model.digests()
    assert [name for name in before if before[name] == after[name]] == []
    assert sum("/moving_" in name for name in before) == 224


@pytest.mark.slow
def test_a_timed_stage_begins_with_a_cold_store_and_leaves_nothing(data, monkeypatch) -> None:
    users = data.work / "users"
    monkeypatch.setenv("FINETUNE_CACHE", str(users))
    runs = [run_stage(data, data.learn, "Logits", 2, batch_size=8, cache=cache) for cache in ("disk", "off")]
    assert os.environ["FINETUNE_CACHE"] == str(users)
    assert not users.exists()
    assert list(data.work.iterdir()) == []
    for run in runs:
        assert len(run.epochs) == 2
        assert 0 < sum(run.epochs) < run.seconds
    np.testing.assert_allclose(runs[0].losses, runs[1].losses, rtol=1e-5)


def test_a_subset_has_so_many_different_images_of_so_many_people(data) -> None:
    found = find_images(data.subset(12, people=3))
    assert len({path.resolve() for path in found}) == 12
    assert sorted(len(list(person.iterdir())) for person in data.subset(12, people=3).iterdir()) == [4, 4, 4]
    assert len(find_images(data.subset(24, people=2))) == 24  # all of `learn`
    with pytest.raises(Exception, match="24 images, and 25 are needed"):
        data.subset(25)


def test_links_lead_to_the_images(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    link([tmp_path / "a.png"], tmp_path / "out", 1)
    assert (tmp_path / "out/person_0000/000000.png").read_bytes() == b"a"


def test_slopes_are_seconds_for_one_more_image() -> None:
    assert slopes([100, 200, 400], [3.0, 5.0, 10.0]) == pytest.approx([0.02, 0.025])


@pytest.mark.slow
def test_the_mining_suite_counts_the_triplets_of_the_same_number_of_steps(data) -> None:
    result = mining.run(Settings(data, rounds=1, quick=True))
    assert {name: len(values) for name, values in result.timings.items()} == {"random": 1, "bank": 1}
    (rows,) = result.tables.values()
    shares = {name: [float(cell) for cell in cells] for name, *cells in rows[1:]}
    assert all(0 <= share <= 1 for row in shares.values() for share in row)
    cost, gain = result.targets
    assert cost.figure == pytest.approx(result.timings["bank"][0] / result.timings["random"][0])
    least = min(hard / max(easy, 1e-9) for easy, hard in zip(shares["random"], shares["bank"], strict=True))
    assert gain.figure == pytest.approx(least, rel=0.05)
    assert gain.least
    assert not cost.least


def test_the_search_suite_compares_with_the_product_and_with_float64(data, monkeypatch) -> None:
    monkeypatch.setattr(search, "AT_ONCE", 10_000)
    result = search.run(Settings(data, rounds=1, quick=True))
    wrong, *rates, memory = result.targets
    assert wrong.figure == 0
    product, found = (
        result.timings[f"{what}, 128 probes{k}"][0] for what, k in (("product", ""), ("search", ", k = 1"))
    )
    assert rates[2].figure == pytest.approx(product / found)
    assert memory.figure > 1
    gallery, probes = search.synthetic(20_000, 4)
    np.testing.assert_allclose(np.linalg.norm(gallery, axis=1), 1, rtol=1e-5)
    expected = np.argsort(-(probes.astype(float) @ gallery.T.astype(float)), axis=1)[:, :3]
    np.testing.assert_array_equal(search.exhaustive(gallery, probes, 3), expected)


def test_the_mapped_suite_measures_a_file_that_it_removes(data, monkeypatch) -> None:
    monkeypatch.setattr(mapped, "AT_ONCE", 20_000)
    before = sorted(data.work.iterdir())
    result = mapped.run(Settings(data, rounds=1, quick=True))
    wrong, one, many, memory = result.targets
    assert wrong.figure == 0
    assert (one.least, many.least) == (True, True)
    found = (result.timings[f"{what}, 256 probes{k}"][0] for what, k in (("product", ""), ("search", ", k = 10")))
    assert many.figure == pytest.approx(next(found) / next(found))
    assert memory.figure is None or memory.figure > 16  # the similarities of a block
    assert sorted(data.work.iterdir()) == before


def test_the_file_of_the_mapped_suite_holds_what_its_probes_lie_near(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(mapped, "AT_ONCE", 100)
    probes = mapped.write_synthetic(tmp_path / "some.npy", 1050)
    written = np.load(tmp_path / "some.npy")
    assert (written.shape, written.dtype) == ((1050, mapped.SIZE), np.dtype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(written, axis=1), 1, rtol=1e-5)
    assert (probes @ written.T).max(axis=1).min() > 0.8
    assert len(set((probes @ written.T).argmax(axis=1))) == mapped.PROBES
