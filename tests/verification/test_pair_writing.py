"""Any folder of people gives pairs, whatever its files are named and however few people there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.cli import main
from finetune.errors import DataError
from finetune.recipe import LFW
from finetune.verification import count_pairs, measure, open_pairs, pair_drawing, read_pairs, resolve, write_pairs
from finetune.verification.pair_drawing import write_all_pairs

PHONE = ("IMG_{}.jpg", "PXL 2024 {}~2.jpg", "Фото {}.png", "=WhatsApp, {}.jpeg", "{}.PNG")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))


def people(root: Path, n: int, images: int, names: tuple[str, ...] = PHONE) -> Path:
    """Write images of one color each, named as phones name them: the persons differ in hue."""
    for person in range(n):
        (root / f"Zoë {person}").mkdir(parents=True)
        for image in range(images):
            name = names[(person + image) % len(names)].format(100 * person + image)
            color = np.clip([40 + 25 * person, 200 - 20 * person, 10 * image + 5 * person], 0, 255).astype(np.uint8)
            Image.fromarray(np.broadcast_to(color, (90, 90, 3)).copy()).save(root / f"Zoë {person}" / name)
    return root


def mean_color(paths, *, flip):
    rows = np.array([np.asarray(Image.open(path).convert("RGB"), np.float64).mean(axis=(0, 1)) for path in paths])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def measured(folder: Path, pairs: Path):
    return measure(mean_color, open_pairs(LFW(dir=folder, pairs=pairs)))


def test_the_same_pairs_are_drawn_in_every_form(tmp_path):
    faces = people(tmp_path / "faces", 20, 4)
    drawn = {name: write_pairs(tmp_path / name, faces, seed=3) for name in ("pairs.txt", "pairs.csv", "pairs.bin")}
    assert {(d.folds, d.pairs_per_fold, d.same, d.different) for d in drawn.values()} == {(10, 12, 120, 120)}
    assert [d.in_lfw_form for d in drawn.values()] == [True, False, False]
    results = {name: measured(faces, tmp_path / name) for name in drawn}
    for result in results.values():
        assert (result.distances == results["pairs.txt"].distances).all()
        assert result.fold_accuracy == results["pairs.txt"].fold_accuracy
        assert result.accuracy_interval is None
    assert results["pairs.csv"].pairs_sha256 == results["pairs.txt"].pairs_sha256


def test_a_form_can_be_asked_for_in_place_of_the_suffix(tmp_path):
    faces = people(tmp_path / "faces", 6, 3)
    write_pairs(tmp_path / "a.txt", faces, seed=3, to="csv")
    write_pairs(tmp_path / "b.csv", faces, seed=3)
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.csv").read_text()
    write_pairs(tmp_path / "c.csv", faces, seed=3, to="text")
    assert (tmp_path / "c.csv").read_text().startswith("3\t6\n")


def test_paths_that_look_like_formulas_are_written_so_that_no_spreadsheet_takes_them_for_one(tmp_path):
    faces = tmp_path / "faces"
    for name in ("=ann", "+bob"):
        people(faces / "x", 1, 2)
        (faces / "x" / "Zoë 0").rename(faces / name)
    (faces / "x").rmdir()
    write_all_pairs(tmp_path / "pairs.csv", faces)
    for line in (tmp_path / "pairs.csv").read_text().splitlines()[1:]:
        assert line.lstrip('"').startswith("./")
    assert resolve(read_pairs(tmp_path / "pairs.csv"), faces).n_skipped == 0


def test_all_pairs_are_written_and_counted(tmp_path):
    faces = people(tmp_path / "faces", 6, 3)
    assert count_pairs(faces) == (18, 135)
    drawn = write_all_pairs(tmp_path / "all.csv", faces)
    assert (drawn.same, drawn.different, drawn.folds, drawn.pairs_per_fold, drawn.images) == (18, 135, 1, 0, 18)
    pairs = resolve(read_pairs(tmp_path / "all.csv"), faces)
    couples = {frozenset((i, j)) for i, j in zip(pairs.index1, pairs.index2, strict=True)}
    assert len(couples) == 18 * 17 / 2
    assert len(pairs.paths) == 18
    for i, j, same in zip(pairs.index1, pairs.index2, pairs.is_same, strict=True):
        assert same == (pairs.paths[i].parent == pairs.paths[j].parent)
    result = measured(faces, tmp_path / "all.csv")
    assert (result.n_folds, result.n_pairs, result.accuracy_interval.n) == (1, 153, 6)


def test_absurdly_many_pairs_are_refused_with_their_number(tmp_path, monkeypatch):
    faces = people(tmp_path / "faces", 6, 3)
    monkeypatch.setattr(pair_drawing, "MOST_PAIRS", 152)
    with pytest.raises(DataError) as raised:
        write_all_pairs(tmp_path / "all.csv", faces)
    assert str(raised.value) == (
        f"{faces}: 18 pairs of one person and 135 of two are more than 152; draw some of them: leave out --all"
    )
    assert not (tmp_path / "all.csv").exists()


def test_people_with_one_image_each_have_no_pairs_of_one_person(tmp_path):
    faces = people(tmp_path / "faces", 3, 1)
    with pytest.raises(DataError) as raised:
        write_all_pairs(tmp_path / "all.csv", faces)
    assert str(raised.value) == (f"{faces}: 0 pairs of one person and 3 of two; both are needed: add people or images")
    with pytest.raises(DataError) as raised:
        write_pairs(tmp_path / "pairs.csv", faces, seed=1)
    assert str(raised.value) == (
        f"{faces}: 3 people, 0 with two images or more; pairs need two people, one of them with two images"
    )


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".bin"])
@pytest.mark.parametrize("n", [2, 3])
def test_two_or_three_people_have_pairs_without_folds(tmp_path, n, suffix):
    faces = people(tmp_path / "faces", n, 3)
    drawn = write_pairs(tmp_path / f"pairs{suffix}", faces, seed=1)
    assert (drawn.folds, drawn.same, drawn.different, drawn.in_lfw_form) == (1, 3 * n, 3 * n, False)
    result = measured(faces, tmp_path / f"pairs{suffix}")
    assert result.n_folds == 1
    assert result.accuracy_interval.of == ("pairs" if suffix == ".bin" else "people")


def test_six_people_of_a_phone_have_a_figure_with_its_interval(tmp_path, capsys):
    faces = people(tmp_path / "faces", 6, 3, PHONE[:1])
    assert main(["pairs", str(faces), str(tmp_path / "pairs.csv")]) == 0
    told = capsys.readouterr()
    assert told.out == (
        f"{tmp_path}/pairs.csv: 18 pairs of one person and 18 of two in 3 folds that share nobody, "
        "drawn from 18 images of 6 people, seed 666\n"
    )
    assert "3 folds in place of LFW's 10" in told.err
    result = measured(faces, tmp_path / "pairs.csv")
    assert (result.n_folds, result.accuracy_interval.n, result.accuracy_interval.of) == (3, 6, "people")
    assert result.accuracy_interval.low < result.accuracy <= result.accuracy_interval.high
    assert any(note.startswith("3 folds in place of ten, as the pairs file has them") for note in result.notes)


def test_the_number_of_all_pairs_is_told_before_they_are_written(tmp_path, capsys):
    faces = people(tmp_path / "faces", 3, 2)
    assert main(["pairs", str(faces), str(tmp_path / "all.csv"), "--all"]) == 0
    told = capsys.readouterr()
    assert told.err == f"{faces}: 3 pairs of one person and 12 of two\n"
    assert told.out == (
        f"{tmp_path}/all.csv: all 3 pairs of one person and all 12 of two, without folds, from 6 images of 3 people\n"
    )


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--all", "--folds", "2"], ["--folds: given with --all, which draws nothing; leave one out"]),
        (
            ["--all", "--pairs", "2", "--folds", "3"],
            [
                "--folds: given with --all, which draws nothing; leave one out",
                "--pairs: given with --all, which draws nothing; leave one out",
            ],
        ),
    ],
)
def test_options_that_contradict_each_other_are_answered_in_a_line_each(tmp_path, capsys, options, lines):
    faces = people(tmp_path / "faces", 3, 2)
    assert main(["pairs", str(faces), str(tmp_path / "pairs.csv"), *options]) == 2
    assert capsys.readouterr().err.splitlines() == [f"finetune pairs: {line}" for line in lines]
    assert not (tmp_path / "pairs.csv").exists()


@pytest.mark.parametrize("to", ["pickle", "lfw", ""])
def test_another_form_is_refused(tmp_path, capsys, to):
    with pytest.raises(SystemExit) as ended:
        main(["pairs", str(tmp_path), str(tmp_path / "pairs.csv"), "--to", to])
    assert ended.value.code == 2
    assert "--to" in capsys.readouterr().err


def test_a_bin_file_without_ten_folds_is_said_to_hold_none(tmp_path, capsys):
    faces = people(tmp_path / "faces", 6, 3)
    assert main(["pairs", str(faces), str(tmp_path / "pairs.bin")]) == 0
    assert "a .bin file holds no folds: its readers cut it into ten" in capsys.readouterr().err
