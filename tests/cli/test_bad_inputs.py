"""Unusable checkpoints, faces and pairs give the lines that say why, exit status 2, and no written file."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.checkpoint.location import EXPECTED
from finetune.verification.formats.registry import FORMS

pytestmark = pytest.mark.tf

LFW = "--lfw faces/strangers --pairs faces/pairs.txt"
WHOLE = (
    "give a .bin file of InsightFace that is whole: a pickle of JPEG or PNG images, two per pair, "
    "and of the pairs' labels"
)
PEOPLE = "give a folder of people, or a text file with a name a line"
ONE_PER_PERSON = "give one that holds one folder of images per person"
NO_PATTERN = "TensorFlow opens no path with '[' or '\\' in it; rename it"
FACENET = "give a checkpoint of FaceNet's Inception-ResNet-v1, Inception-ResNet-v2 or SqueezeNet"
FOLDS = "can be used, and 10 folds need 10 of each; give more pairs, or a header with fewer folds"
UNREADABLE = [
    f"bad/lfw_damaged/person_013/person_013_000{number}.png: can't be read (image file is truncated...); "
    "replace it, or remove it and set missing: skip"
    for number in (1, 2)
]


def bad(about: str, command: str, *lines: str) -> Any:
    """Return a test case: a command and the lines that answer it."""
    return pytest.param(command, lines, id=about)


CHECKPOINTS = [
    bad(
        "no such checkpoint",
        "plan recipe.yaml checkpoint=models/20180402-114759",
        f"models/20180402-114759: no such file or folder; {EXPECTED}",
    ),
    bad(
        "an index without its data",
        "run recipe.yaml checkpoint=bad/no_data",
        "bad/no_data/model-demo.ckpt-0.data-00000-of-00001: is missing, and model-demo.ckpt-0 can't be read without it",
    ),
    bad(
        "data without their index",
        "inspect bad/no_index",
        "bad/no_index/model-demo.ckpt-0.index: is missing, and model-demo.ckpt-0 can't be read without it",
    ),
    bad(
        "data cut short",
        "plan recipe.yaml checkpoint=bad/cut_data",
        "bad/cut_data/model-demo.ckpt-0 InceptionResnetV1/...: damaged, or can't be read (...); copy ... again",
    ),
    bad(
        "an index that is garbage",
        "inspect bad/garbage/model-x.ckpt-1.index",
        "bad/garbage/model-x.ckpt-1.index: damaged, or can't be read (...); copy the checkpoint again",
    ),
    bad(
        "a frozen graph that is garbage",
        f"validate bad/garbage.pb {LFW}",
        "bad/garbage.pb: is not a frozen graph, or it is damaged (...); copy it again, or give a TF1 checkpoint",
    ),
    bad(
        "a frozen graph that is not there",
        "embed model/20180402.pb faces/learn out.npz",
        f"model/20180402.pb: no such file; {EXPECTED}",
    ),
    bad(
        "another network's checkpoint",
        "plan recipe.yaml checkpoint=bad/mtcnn",
        f"bad/mtcnn/model-s.ckpt-1: holds MTCNN; {FACENET}",
    ),
    bad(
        "a checkpoint of objects",
        "inspect bad/objects",
        "bad/objects/model-o.ckpt-1.index: damaged, or can't be read (the graph of its objects is no text); "
        "copy the checkpoint again",
    ),
    bad(
        "a network that was changed",
        "inspect bad/changed",
        "bad/changed/model-c.ckpt-1 InceptionResnetV1/Conv2d_1a_3x3/weights: shape [3, 3, 4, 32]; "
        "the network needs [3, 3, 3, 32]",
        "bad/changed/model-c.ckpt-1 InceptionResnetV1/Block8/Conv2d_1x1/biases: missing; the network needs ...[1792]",
    ),
    bad("a folder without a checkpoint", "inspect faces", f"faces: holds no checkpoint; {EXPECTED}"),
    bad(
        "a folder of two trainings",
        f"validate bad/two {LFW}",
        "bad/two: holds model-a.ckpt-1, model-b.ckpt-2; name the one that is meant",
    ),
    bad(
        "a folder whose only checkpoint lies in another folder",
        "inspect bad/folders",
        f"bad/folders/one/model-a.ckpt-1: holds another network, with variables under a; {FACENET}",
    ),
    bad(
        "a `checkpoint` file that names another",
        "embed bad/stale faces/learn out.npz",
        "bad/stale/checkpoint: names /home/her/models/model-b.ckpt-9, which isn't there; "
        "the folder holds model-a.ckpt-1; give that one",
    ),
    bad(
        "an image for a checkpoint",
        "inspect bad/small/ann/1.png",
        "bad/small/ann/1.png: is an image; give the checkpoint",
    ),
    bad(
        "a preprocessing.json that is no JSON",
        "inspect bad/preprocessing",
        "bad/preprocessing/preprocessing.json: not JSON with image_size and standardization; mend it or remove it",
    ),
    bad(
        "an image size beside the checkpoint that no network takes",
        "embed bad/too_small faces/learn out.npz",
        "bad/too_small/model-demo.ckpt-0: an image size of 20 (preprocessing.json); the network needs ...",
    ),
    bad(
        "class names that are no text",
        f"validate bad/class_names {LFW}",
        "bad/class_names/class_names.txt: can't be read as text; mend it or remove it",
    ),
    bad(
        "class names that are no text, and images that are not there",
        "plan recipe.yaml checkpoint=bad/class_names data.train=faces/lern",
        "bad/class_names/class_names.txt: can't be read as text; mend it or remove it",
        "faces/lern: no such file or folder; give the folder that holds one folder of images per person",
    ),
    bad("a path that TensorFlow can't open", "inspect 'bad/[x]'", f"bad/[x]/model-a.ckpt-1: {NO_PATTERN}"),
]

FACES = [
    bad(
        "no such folder",
        "plan recipe.yaml data.train=faces/lern",
        "faces/lern: no such file or folder; give the folder that holds one folder of images per person",
    ),
    bad(
        "a file for a folder",
        "plan recipe.yaml data.train=faces/pairs.txt",
        "faces/pairs.txt: not a folder; give the folder that holds one folder of images per person",
    ),
    bad(
        "an empty folder",
        "run recipe.yaml data.train=bad/empty",
        "bad/empty: no folders in it; put each person's images into a folder of their own",
    ),
    bad(
        "images without folders",
        "plan recipe.yaml data.train=faces/learn/person_001",
        "faces/learn/person_001: no folders in it; put each person's images into a folder of their own; the first of 6 "
        "not used is faces/learn/person_001/person_001_0001.png: not in a person's folder",
    ),
    bad(
        "one class",
        "run recipe.yaml data.train=bad/one_class",
        "bad/one_class: images of one person (ann), and a classifier needs two; add another person's folder",
    ),
    bad(
        "a class with one image",
        "plan recipe.yaml data.train=bad/few data.min_images_per_person=2",
        "bad/few: 1 of 2 people with 2 images or more, and a classifier needs two; "
        "lower min_images_per_person or add images",
    ),
    bad(
        "a folder of non-images",
        "plan recipe.yaml data.train=bad/texts",
        f"bad/texts: no usable image in any of its folders; {ONE_PER_PERSON}; the first of 2 not used is "
        "bad/texts/ann/notes.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
    ),
    bad(
        "truncated JPEGs",
        "plan recipe.yaml data.train=bad/truncated",
        f"bad/truncated: no usable image in any of its folders; {ONE_PER_PERSON}; the first of 2 not used is "
        "bad/truncated/ann/1.jpg: can't be read (image file is truncated...)",
    ),
    bad(
        "images smaller than the crop",
        "run recipe.yaml data.train=bad/small",
        f"bad/small: no usable image in any of its folders; {ONE_PER_PERSON}; the first of 2 not used is "
        "bad/small/ann/1.png: 40x40 pixels, smaller than the crop of 75",
    ),
    bad(
        "no such images to embed",
        "embed model faces/lern out.npz",
        "faces/lern: no such file or folder; give an image or a folder of images",
    ),
    bad(
        "no images to embed",
        "embed model bad/empty out.npz",
        "bad/empty: no files in it; give an image or a folder of images",
    ),
    bad(
        "a truncated JPEG to embed",
        "embed model bad/truncated/ann/1.jpg out.npz",
        "bad/truncated/ann/1.jpg: no usable image; give faces aligned to 75 pixels; the first of 1 not used is "
        "bad/truncated/ann/1.jpg: can't be read (image file is truncated...)",
    ),
    bad(
        "a text to embed",
        "embed model faces/pairs.txt out.npz",
        "faces/pairs.txt: no usable image; ...: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
    ),
    bad(
        "faces of another size than asked for",
        "embed model faces/learn out.npz --image-size 160",
        "faces/learn: no usable image; give faces aligned to 160 pixels; the first of 24 not used is "
        "faces/learn/person_001/person_001_0001.png: 80x80 pixels, smaller than the crop of 160",
    ),
]

PAIRS = [
    bad(
        "no such pairs file",
        "validate model --lfw faces/strangers --pairs pairs.txt",
        f"pairs.txt: can't be read (No such file or directory); give {FORMS}",
    ),
    bad(
        "a home of nobody's",
        "validate model --lfw ~nobody-at-all --pairs ~nobody-at-all/pairs.txt",
        "LFW.dir: found the text '~nobody-at-all', but no such user has a home here; give the whole path",
        "LFW.pairs: found the text '~nobody-at-all/pairs.txt', but no such user has a home here; give the whole path",
    ),
    bad(
        "a folder for a pairs file",
        "validate model --lfw faces/strangers --pairs faces",
        "faces: a folder, and not one of CFP's folds; give CFP's folder Protocol/Split/FP or FF, or a pairs file",
    ),
    bad(
        "an empty pairs file",
        "validate model --lfw faces/strangers --pairs bad/empty.txt",
        f"bad/empty.txt: found no pairs; give {FORMS}",
    ),
    bad(
        "an image for a pairs file",
        "validate model --lfw faces/strangers --pairs bad/small/ann/1.png",
        f"bad/small/ann/1.png: not a text file; give {FORMS}",
    ),
    bad(
        "pairs without their images",
        "validate model --pairs faces/pairs.txt",
        "--lfw: not given; give --lfw and --pairs, or --measure",
    ),
    bad(
        "no such .bin file",
        "validate model --pairs code.bin",
        f"code.bin: can't be read (No such file or directory); {WHOLE}",
    ),
    bad(
        "code in a .bin file",
        "validate model --pairs bad/code.bin",
        f"bad/code.bin: holds posix.system, which is not run; {WHOLE}",
    ),
    bad(
        "a label that is none",
        "validate model --lfw faces/strangers --pairs bad/table.csv",
        "bad/table.csv:2: found 'person_011/1.png,person_012/1.png,no'; write two images and 0 or 1, as in "
        "ann/a.jpg,bob/b.jpg,0",
    ),
    bad(
        "two labels of one pair",
        "run recipe.yaml lfw.pairs=bad/two_lines.txt",
        "bad/two_lines.txt:1: found the labels 1 and 0 for one pair; write the same label in both lines",
    ),
    bad(
        "malformed pairs",
        "plan recipe.yaml lfw.pairs=bad/malformed.txt",
        "bad/malformed.txt:2: found 'ann\\t1'; write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two",
        "bad/malformed.txt:4: found 'ann\\tone\\tbob\\t2'; write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two",
    ),
    bad(
        "pairs of one kind",
        "validate model --lfw faces/strangers --pairs bad/one_kind.txt",
        f"bad/one_kind.txt: 20 pairs of one person and 0 of two {FOLDS}",
    ),
    bad(
        "fewer pairs than folds",
        "run recipe.yaml lfw.pairs=bad/few.txt",
        f"bad/few.txt: 20 pairs of one person and 4 of two {FOLDS}",
    ),
    bad(
        "no such folder of LFW",
        "validate model --lfw lfw --pairs faces/pairs.txt",
        "lfw: found no folder; give the one that holds LFW's aligned faces, a folder for each person",
    ),
    bad(
        "another folder than LFW's",
        "plan recipe.yaml lfw.dir=faces/learn",
        "faces/learn: missing 24 of the 24 images in the pairs: ...; is it the folder of aligned faces?",
    ),
    bad(
        "missing LFW images",
        "validate model --lfw bad/lfw_missing --pairs faces/pairs.txt",
        "bad/lfw_missing: missing 2 of the 24 images in the pairs: person_011/person_011_0002, "
        "person_011/person_011_0001; add them, or skip their pairs with missing: skip",
    ),
    bad(
        "LFW images that can't be read",
        "validate model --lfw bad/lfw_damaged --pairs faces/pairs.txt",
        *UNREADABLE,
    ),
    bad(
        "no such people who were trained on",
        f"validate model --trained people.txt {LFW}",
        f"people.txt: no such file or folder; {PEOPLE}",
    ),
    bad(
        "an image for the people who were trained on",
        f"validate model --trained bad/small/ann/1.png {LFW}",
        f"bad/small/ann/1.png: not a text file; {PEOPLE}",
    ),
    bad(
        "nobody who was trained on",
        f"validate model --trained bad/empty {LFW}",
        f"bad/empty: names nobody; {PEOPLE}",
    ),
    bad(
        "an empty list of who was trained on",
        f"validate model --trained bad/empty.txt {LFW}",
        f"bad/empty.txt: names nobody; {PEOPLE}",
    ),
    bad("LFW images that can't be read, before a run", "run recipe.yaml lfw.dir=bad/lfw_damaged", *UNREADABLE),
    bad(
        "LFW images smaller than the crop",
        f"validate model --image-size 160 {LFW}",
        "faces/strangers: no usable image for the pairs; give faces aligned to 160 pixels; the first of 24 not used is "
        "faces/strangers/...png: 80x80 pixels, smaller than the crop of 160",
    ),
]


@pytest.mark.parametrize(("command", "lines"), [*CHECKPOINTS, *FACES, *PAIRS])
def test_a_bad_input_is_answered_by_its_lines(command: str, lines: tuple[str, ...], refused):
    refused(command, *lines)
