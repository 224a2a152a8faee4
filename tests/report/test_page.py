"""The report loads nothing, everybody can read it, and it says what the run's folder says."""

from __future__ import annotations

import functools
import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.errors import DataError, Problem, UserError
from finetune.report import card, page, write_into
from finetune.report.page import write
from finetune.report.record import Record
from finetune.report.worst_pairs import worst
from finetune.verification import read_pairs
from finetune.verification.operating_points import operating_point
from finetune.verification.result import VerificationResult

pytestmark = [pytest.mark.tf, pytest.mark.slow]
UNLISTED = shutil.ignore_patterns("files.sha256")
"""A filter that copies a run as an earlier finetune left it. Its stages list no files, so they may be changed."""

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, *tags: str):
        return [(tag, attributes) for tag, attributes, _ in self.elements if tag in tags]


@pytest.fixture(scope="module", params=["rolled_back", "without_lfw", "interrupted", "side by side"])
def html(request, rolled_back, without_lfw, interrupted) -> str:
    if request.param == "side by side":
        return page.render([Record.read(path) for path in (rolled_back, without_lfw, interrupted)])
    return (request.getfixturevalue(request.param) / "report.html").read_text(encoding="utf-8")


def test_nothing_is_asked_of_anybody(html):
    found = Page(html)
    assert not found.all("script", "link", "iframe", "object", "video", "audio", "form", "base")
    for _, attributes in found.all(*{tag for tag, _, _ in found.elements}):
        for name in ("src", "href", "xlink:href", "srcset", "poster", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
        assert not any(name.startswith("on") for name in attributes)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = next(a["content"] for _, a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert len(html.encode()) < 3_000_000


def test_everybody_can_read_it(html):
    found = Page(html)
    assert found.all("html")[0][1]["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in found.all("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    ids = [attributes["id"] for _, attributes, _ in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes["href"][1:] for _, attributes in found.all("a")]
    assert set(targets) <= set(ids)
    assert all(attributes["alt"] for _, attributes in found.all("img"))
    assert len(found.all("table")) == len(found.all("caption"))
    assert all("scope" in attributes for _, attributes in found.all("th"))
    assert len(found.all("figure")) == len(found.all("figcaption")) == len(found.all("svg"))
    assert all(attributes["aria-hidden"] == "true" for _, attributes in found.all("svg"))
    for _, attributes, within in found.elements:
        if "scroll" in (attributes.get("class") or "").split():
            assert (attributes["tabindex"], attributes["role"]) == ("0", "region")
            assert attributes["aria-label"]
            assert "main" in within


def test_what_was_rolled_back_is_said_with_its_figures(rolled_back):
    found = Page((rolled_back / "report.html").read_text(encoding="utf-8"))
    before = VerificationResult.from_json(json.loads((rolled_back / "1-head/lfw.json").read_text()))
    after = VerificationResult.from_json(json.loads((rolled_back / "2-last-block/rejected_lfw.json").read_text()))
    assert "2 of 2 stages finished, 1 kept." in found.words
    assert re.search(
        rf"last block rolled back Block8 2 \d \S+ {before.accuracy:.4f} {after.accuracy:.4f} "
        rf"\S{abs(after.accuracy - before.accuracy):.4f}",
        found.words,
    )
    assert f"LFW accuracy {before.accuracy:.4f} before, {before.accuracy:.4f} after: +0.0000" in found.words
    assert "2-last-block (as before the stage: it was rolled back)" in found.words
    assert "Gain against forgetting" in found.words
    assert "not finished" not in found.words


def change(path: Path, **values: object) -> None:
    """Replace values of a run's JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_stage_that_made_pairs_worse_says_so_without_a_gate_and_is_not_the_one_to_use(interrupted, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(interrupted, run, ignore=UNLISTED)
    n_pairs = Record.read(run).baseline.n_pairs
    change(run / "0-baseline/lfw.json", accuracy=1.0, correct="1" * n_pairs)
    farther = [distance + 0.5 for distance in json.loads((run / "1-head/lfw.json").read_text())["distances"]]
    change(run / "1-head/lfw.json", accuracy=0.0, correct="0" * n_pairs, distances=farther)
    record = Record.read(run)
    difference = record.results[0].difference
    interval = f"{difference.low:+.4f} to {difference.high:+.4f}"
    harm = f"worse than before the stage: LFW accuracy fell from 1.0000 to 0.0000 (95 % of the difference: {interval})"
    page_words = Page(page.render([record])).words
    card_words = card.render(record)
    for words in (page_words, card_words):
        assert harm in words
        assert "kept, but worse" in words
        assert "Use the checkpoint that you started from, with a gallery: no stage is shown to be better." in words
        assert "For 4 people a gallery without training may do." in words
        assert "Worse than the start: stage 'head', where LFW accuracy fell" in words
    assert f"They are in {record.recipe.checkpoint} ." in page_words
    assert f"They are in `{record.recipe.checkpoint}`." in card_words
    assert "For the checkpoint that the run started from, and distances" in card_words
    first, head = (operating_point(lfw, 0.1).threshold for lfw in (record.baseline, record.results[0].measured))
    assert f"| 0.1 | {first:.4f} |" in card_words
    assert f"| 0.1 | {head:.4f} |" not in card_words


def test_the_weights_to_use_are_the_stage_that_is_shown_to_be_better(interrupted, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(interrupted, run, ignore=UNLISTED)
    # The form of an earlier finetune: without the person whom each image shows.
    (run / "0-baseline/held_back.json").write_text(json.dumps({"accuracy": 0.0, "correct": "0" * 40}))
    (run / "1-head/held_back.json").write_text(json.dumps({"accuracy": 1.0, "correct": "1" * 40}))
    record = Record.read(run)
    page_words, card_words = Page(page.render([record])).words, card.render(record)
    for words in (page_words, card_words):
        assert "Use stage 'head': compared with the checkpoint that you started from, held-back accuracy rose" in words
    assert f"They are in {run / '1-head'} ." in page_words
    assert "They are in `1-head`." in card_words
    assert "For `1-head`, and distances" in card_words
    assert "| baseline, by the nearest class mean | 0.0000 |" in card_words
    assert "baseline as given — — — 0.0000" in page_words


def test_an_interrupted_run_is_said_to_be_unfinished(interrupted):
    words = Page((interrupted / "report.html").read_text(encoding="utf-8")).words
    assert "1 of 2 stages finished, 1 kept." in words
    assert "The run is not finished: it came to stage 2 of 2, “last block”, and there to epoch 1 of 2." in words
    assert "No people were held out ( data.strangers ): there is no curve of gain against forgetting." in words


def test_a_run_without_lfw_says_what_nobody_knows(without_lfw):
    words = Page((without_lfw / "report.html").read_text(encoding="utf-8")).words
    assert "No LFW pairs were given: nothing was validated on them." in words
    assert "nothing says whether the embeddings verify strangers as well as before" in words
    assert "(none were held back)" in words
    assert "ROC" not in words


def test_a_run_that_its_recipe_ends_early_says_so(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    text = (run / "recipe.yaml").read_text()
    more = "- {name: never, train_from: Repeat_2, epochs: 1}\nseed:"
    assert "otherwise: continue" in text
    (run / "recipe.yaml").write_text(text.replace("otherwise: continue", "otherwise: stop").replace("seed:", more, 1))
    words = Page(page.render([Record.read(run)])).words
    assert "ended when stage “last block” was rolled back, as the recipe says; 1 of 3 stages were not begun." in words


def test_runs_side_by_side_are_told_apart_and_not_compared_where_they_can_not_be(
    rolled_back, interrupted, without_lfw, tmp_path
):
    namesake = tmp_path / "rolled"
    shutil.copytree(rolled_back, namesake, ignore=UNLISTED)
    found = Page(page.render([Record.read(path) for path in (rolled_back, namesake, without_lfw, interrupted)]))
    assert f"{rolled_back} " in found.words
    assert f"{namesake} " in found.words
    assert "ROC, at the end of each run" in found.words
    assert "1 of 2, unfinished" in found.words

    stored = json.loads((namesake / "0-baseline/lfw.json").read_text())
    for path in namesake.glob("*/*lfw.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pairs_sha256": "other", "distance": "cosine"}))
    assert stored["distance"] == "euclidean"
    words = Page(page.render([Record.read(path) for path in (rolled_back, namesake)])).words
    assert "The runs were not measured on the same pairs in the same way" in words


def test_no_text_of_a_run_becomes_markup(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    inputs = json.loads((run / "inputs.json").read_text())
    bad = "<script>alert(1)</script>"
    inputs["data"]["quarantined"] = {f"a/{bad}{i}": f"no image {bad}" for i in range(30)}
    inputs["checkpoint"]["prefix"] = f'"><img src=x onerror=alert(1)>{bad}'
    (run / "inputs.json").write_text(json.dumps(inputs))
    html = page.render([Record.read(run)])
    assert bad not in html
    found = Page(html)
    assert not found.all("script")
    assert "the first 20 of 30; inputs.json lists all" in found.words
    assert f"a/{bad}19" in found.words
    assert f"a/{bad}20" not in found.words


def test_the_pairs_decided_worst_are_the_worst(rolled_back):
    record = Record.read(rolled_back)
    lfw, section = record.final.lfw, record.recipe.lfw
    found = worst(lfw, section, show=True)
    pairs = read_pairs(section.pairs).pairs
    for shown, count, kind in (
        (found.false_accepts, found.n_false_accepts, False),
        (found.false_rejects, found.n_false_rejects, True),
    ):
        wrong = [i for i in range(lfw.n_pairs) if not lfw.correct[i] and lfw.is_same[i] == kind]
        wrong.sort(key=lambda i: lfw.distances[i], reverse=kind)
        assert count == len(wrong)
        assert [pair.distance for pair in shown] == [lfw.distances[i] for i in wrong[:6]]
        for pair, i in zip(shown, wrong, strict=False):
            names = {pairs[i].first.rpartition("/")[2], pairs[i].second.rpartition("/")[2]}
            assert {pair.first.name, pair.second.name} == names
            assert pair.first.uri.startswith("data:image/jpeg;base64,")
    assert found.n_false_accepts + found.n_false_rejects == int(np.sum(~lfw.correct)) > 0


def test_faces_and_names_are_left_out_on_request(rolled_back, tmp_path):
    write([rolled_back], tmp_path / "report.html", faces=False)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<img" not in html
    assert "person_01" not in html.split('id="run-1-training"')[0]
    assert "Pictures and names were left out, as asked for." in html


def test_pairs_that_have_gone_or_changed_are_told(rolled_back, faces, tmp_path):
    record = Record.read(rolled_back)
    gone = record.recipe.lfw.model_copy(update={"pairs": tmp_path / "gone.txt"})
    assert "gone.txt: can't be read" in worst(record.final.lfw, gone, show=True).note
    lines = (faces / "pairs.txt").read_text().splitlines()
    (tmp_path / "other.txt").write_text("\n".join([lines[0], *lines[2:], lines[1]]) + "\n")
    other = record.recipe.lfw.model_copy(update={"pairs": tmp_path / "other.txt"})
    assert "no longer give the pairs that were measured" in worst(record.final.lfw, other, show=True).note
    shutil.copytree(faces / "strangers", tmp_path / "faces")
    for path in (tmp_path / "faces").rglob("*.png"):
        path.write_bytes(b"no image any more")
    damaged = worst(record.final.lfw, record.recipe.lfw.model_copy(update={"dir": tmp_path / "faces"}), show=True)
    assert {pair.first.uri for pair in (*damaged.false_accepts, *damaged.false_rejects)} == {""}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: shutil.rmtree(run), "no such folder; give the folder that a run wrote"),
        (lambda run: (run / "recipe.yaml").unlink(), "holds no run: there is no recipe.yaml in it; give the folder"),
        (lambda run: shutil.rmtree(run / "0-baseline"), "the run ended before its baseline was measured"),
        (lambda run: (run / "inputs.json").write_text("{"), "a file of the run is missing or damaged (JSONDecodeError"),
        (lambda run: (run / "inputs.json").write_text("[]"), "damaged (ValueError: inputs.json is not a dict)"),
        (lambda run: (run / "environment.json").unlink(), "environment.json: can't be read (No such file"),
        (lambda run: (run / "1-head/lfw.json").write_text("{}"), "result of verification: found no accuracy"),
        (lambda run: (run / "1-head/result.json").write_text('{"index": 1}'), "result.json: damaged (KeyError)"),
        (lambda run: (run / "1-head/certificate.json").write_bytes(b"\xff"), "certificate.json: not a text file"),
    ],
)
def test_what_is_no_run_or_a_damaged_one_is_refused_in_a_line(damage, message, rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    damage(run)
    with pytest.raises(UserError) as raised:
        write([run, tmp_path / "nowhere"], tmp_path / "report.html")
    assert len(raised.value.problems) == 2
    assert message in str(raised.value.problems[0])
    assert not (tmp_path / "report.html").exists()


def test_a_stage_s_file_that_was_changed_is_refused(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run)
    change(run / "2-last-block/result.json", accepted=True)
    with pytest.raises(DataError, match=r"2-last-block/result\.json: missing, or not what the run wrote"):
        Record.read(run)


def test_reasons_of_an_earlier_finetune_are_read_without_the_words_that_it_added(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    stored = json.loads((run / "2-last-block/result.json").read_text())
    before = Record.read(run).results[-1]
    assert not before.accepted
    assert before.reason == stored["reason"]
    old = {"reason": f"{before.reason}; rolled back", "rejected": ["val fell; rolled back", "the loss became nan"]}
    (run / "2-last-block/result.json").write_text(json.dumps(stored | old))
    read = Record.read(run).results[-1]
    assert (read.reason, read.rejected) == (before.reason, ("val fell", "the loss became nan"))


def keys(value: object, within: tuple[str, ...] = ()):
    for name, of in value.items() if isinstance(value, dict) else ():
        yield (*within, name)
        yield from keys(of, (*within, name))


def test_a_file_that_lacks_what_is_read_of_it_is_refused_in_a_line(rolled_back, tmp_path):
    from finetune.report import record

    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    for name, shape in (
        ("inputs.json", record.INPUTS),
        ("environment.json", record.ENVIRONMENT),
        ("1-head/certificate.json", record.CERTIFICATE),
    ):
        whole = (run / name).read_text()
        for key in keys(shape):
            for change in ("gone", "other"):
                stored = json.loads(whole)
                holder = functools.reduce(dict.__getitem__, key[:-1], stored)
                holder.pop(key[-1])
                if change == "other":
                    holder[key[-1]] = None
                with pytest.raises(ValueError, match=key[-1]):
                    record.check(stored, shape, name)
            (run / name).write_text(json.dumps(stored))
        with pytest.raises(DataError, match="a file of the run is missing or damaged"):
            Record.read(run)
        (run / name).write_text(whole)
    page.render([Record.read(run)])


def test_it_is_the_same_each_time_and_leaves_the_run_as_it_was(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    write_into(run)
    first = (run / "report.html").read_bytes()
    write_into(run)
    assert (run / "report.html").read_bytes() == first
    changed = [path.name for path, value in before.items() if path.read_bytes() != value]
    assert set(changed) <= {"report.html", "MODEL_CARD.md"}  # which name the folder


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (DataError(Problem("", "no room")), "no report: no room"),
        (ZeroDivisionError("of ours"), "no report: internal error: ZeroDivisionError: of ours; please report it"),
    ],
)
def test_a_report_that_can_not_be_made_does_not_cost_the_run(
    fault, line, faces, drawn_checkpoint, tmp_path, monkeypatch, capsys
):
    from finetune.runs import runner, tuner
    from tests.report.conftest import HEAD, recipe

    def fail(path):
        raise fault

    monkeypatch.setattr(tuner, "write_into", fail)
    stages = [HEAD | {"epochs": 1}]
    results = runner.run(recipe(faces, drawn_checkpoint, tmp_path / "run", lfw=None, stages=stages))
    assert (tmp_path / "run/1-head/checkpoint").exists()
    assert len(results) == 1
    assert line in capsys.readouterr().out.splitlines()
