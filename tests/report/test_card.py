"""The model card gives each figure that was measured, and a plain word for each that was not."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import pytest
import yaml

pytest.importorskip("tensorflow")
from finetune.record import Evidence
from finetune.report import card, page
from finetune.report.front_matter import front_matter
from finetune.report.record import Record
from finetune.verification.operating_points import operating_point
from finetune.verification.result import VerificationResult

pytestmark = [pytest.mark.tf, pytest.mark.slow]
UNLISTED = shutil.ignore_patterns("files.sha256")
"""A filter that copies a run as an earlier finetune left it. Its stages list no files, so they may be changed."""

SECTIONS = (
    "What it was made from",
    "Training data",
    "Preprocessing contract",
    "Verification",
    "Intended use, and limits",
    "To reproduce it",
    "Credits",
)


@pytest.mark.parametrize("run", ["rolled_back", "without_lfw", "interrupted"])
def test_every_run_has_one_with_all_its_parts(run, request):
    folder = request.getfixturevalue(run)
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    assert f"finetune run {folder}/recipe.yaml output=NEW" in text
    digests = json.loads((folder / "inputs.json").read_text())["checkpoint"]["sha256"]
    assert len(digests) == 2
    assert all(digest in text for digest in digests.values())
    assert "A network (Inception-ResNet-v1) that turns an aligned face into 512 values of unit length" in text
    assert "75 × 75 pixels" in text.replace("\N{MULTIPLICATION SIGN}", "×")  # noqa: RUF001
    assert "preprocessing.json" in text
    assert "davidsandberg/facenet" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_of_a_stage_that_was_rolled_back_the_card_is_about_the_one_before(rolled_back):
    text = (rolled_back / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Weights at the end: `1-head`, the last stage that was kept." in text
    kept = VerificationResult.from_json(json.loads((rolled_back / "1-head/lfw.json").read_text()))
    rejected = VerificationResult.from_json(json.loads((rolled_back / "2-last-block/rejected_lfw.json").read_text()))
    assert f"| head | {kept.accuracy:.4f} ± {kept.accuracy_std:.4f} |" in text
    assert f"| last block (rolled back) | {rejected.accuracy:.4f} ± {rejected.accuracy_std:.4f} |" in text
    point = operating_point(kept, 0.1)
    assert f"| 0.1 | {point.threshold:.4f} | {point.far_low:.5f} to {point.far_high:.5f} | {point.val:.4f} " in text
    assert "| 0.001 | — | too few pairs of two people | — |" in text
    assert "## Strangers and the learned" in text


def test_an_interrupted_run_is_said_to_be_one(interrupted):
    text = (interrupted / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "> **The run is not finished: it came to stage 2 of 2, “last block”, and there to epoch 1 of 2." in text
    assert "Weights at the end: `1-head`" in text


def test_what_was_not_measured_is_said_to_be_unknown(without_lfw):
    text = (without_lfw / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**Not measured: no LFW pairs were given.**" in text
    assert "Nobody was held out to measure how people who were never trained on fare" in text
    assert "Thresholds" not in text
    assert "Huang" not in text


@pytest.mark.parametrize(
    ("prefix", "credit"),
    [
        ("models/20180402-114759/model-20180402-114759.ckpt-275", "VGGFace2: Cao"),
        ("models/20180408-102900/model-20180408-102900.ckpt-90", "CASIA-WebFace: Yi"),
        ("20170512-110547/20170512-110547.pb", "MS-Celeb-1M: Guo"),
        ("models/mine/model-mine.ckpt-9", "What the checkpoint was trained on is not known to finetune"),
    ],
)
def test_who_gave_the_checkpoints_training_data_is_credited(prefix, credit, without_lfw, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(without_lfw, run)
    inputs = json.loads((run / "inputs.json").read_text())
    inputs["checkpoint"]["prefix"] = prefix
    (run / "inputs.json").write_text(json.dumps(inputs))
    assert credit in card.render(Record.read(run)).split("## Credits")[1]


def test_no_text_of_a_run_becomes_markdown(without_lfw, tmp_path):
    run = tmp_path / "a_run|with `ticks`"
    shutil.copytree(without_lfw, run)
    inputs = json.loads((run / "inputs.json").read_text())
    inputs["checkpoint"]["preprocessing"]["source"] = "<b>[here](http://nowhere)</b>\n# heading"
    (run / "inputs.json").write_text(json.dumps(inputs))
    text = card.render(Record.read(run))
    assert "\n---\n\n# Model card: a\\_run\\|with \\`ticks\\`\n" in text
    assert "\\<b\\>\\[here\\](http://nowhere)\\</b\\> \\# heading" in text


def test_images_that_were_not_aligned_are_said_beside_the_contract(rolled_back, without_lfw, tmp_path):
    said = "**These weights were not trained and measured on such faces alone, and their figures suffer from it:**"
    contract = (rolled_back / "MODEL_CARD.md").read_text(encoding="utf-8").split("## Preprocessing contract")[1]
    assert said in contract  # of 80 pixels, where the network takes 75
    assert "80 x 80 pixels, of which the central 75 x 75 are used" in contract.split("## Verification")[0]
    aligned = (without_lfw / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert said not in aligned
    run = tmp_path / "run"
    shutil.copytree(without_lfw, run)
    inputs = json.loads((run / "inputs.json").read_text())
    inputs["doctor"]["counts"]["unaligned"] = 1234
    (run / "inputs.json").write_text(json.dumps(inputs))
    text = card.render(Record.read(run))
    assert said in text
    assert "- finetune doctor found 1,234 unaligned images in the training folder" in text


def test_a_run_from_before_the_channels_were_written_has_a_card(without_lfw, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(without_lfw, run)
    inputs = json.loads((run / "inputs.json").read_text())
    del inputs["checkpoint"]["preprocessing"]["channels"], inputs["checkpoint"]["backbone"]
    (run / "inputs.json").write_text(json.dumps(inputs))
    record = Record.read(run)
    assert "pixels, RGB, faces aligned as FaceNet does" in card.render(record)
    assert "grey, " not in page.render([record])


def metadata(text: str) -> dict:
    """Return the front matter, as Hugging Face reads it."""
    before, between, rest = text.split("---\n", 2)
    assert before == ""
    assert rest.startswith("\n# Model card: ")
    return yaml.safe_load(between)


def test_the_front_matter_gives_the_figures_of_the_weights_to_use(rolled_back):
    record = Record.read(rolled_back)
    found = metadata(card.render(record))
    assert (found["library_name"], found["pipeline_tag"]) == ("finetune", "image-feature-extraction")
    (model,) = found["model-index"]
    assert model["name"] == record.name
    results = {result["dataset"]["name"]: result for result in model["results"]}
    assert set(results) == {"pairs.txt", "people held out", "held-back images"}
    assert all(set(result) == {"task", "dataset", "metrics"} for result in results.values())
    of_pairs = {metric["type"]: metric["value"] for metric in results["pairs.txt"]["metrics"]}
    lfw = record.chosen.lfw
    expected = {"accuracy": lfw.accuracy, "true_accept_rate": lfw.val, "roc_auc": lfw.auc, "equal_error_rate": lfw.eer}
    assert of_pairs == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items() if value is not None}
    assert len(of_pairs) >= 3
    assert found["metrics"] == sorted({m["type"] for result in results.values() for m in result["metrics"]})


def test_the_front_matter_of_what_was_not_measured_has_no_figures(without_lfw, tmp_path):
    record = Record.read(without_lfw)
    bare = dataclasses.replace(record, start=Evidence(), results=[], certificates=[])
    assert set(metadata(front_matter(bare) + "\n# Model card: x")) == {"library_name", "pipeline_tag", "tags"}


def test_a_sample_of_the_pairs_is_said_to_be_one(rolled_back, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(rolled_back, run, ignore=UNLISTED)
    for path in run.rglob("*lfw.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"sample_of": 6000}))
    record = Record.read(run)
    assert "FaceNet's protocol on a sample of 40 of the 6,000 pairs of `pairs.txt`" in card.render(record)
    both = page.render([record, record])
    for text in (card.render(record), both):
        assert "Accuracy on a sample of 40 of 6,000 pairs 0." in text
        assert "LFW accuracy" not in text
    assert ">LFW before<" not in page.render([record])
    assert "sample: accuracy, 40 pairs of 6,000, which is not the accuracy on all" in both
    assert both.count("(LFW: a sample of 40 of 6,000 pairs)") == 2
