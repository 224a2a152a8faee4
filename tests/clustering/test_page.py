"""The page of the people found: in order, escaped, under its own policy, and small."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.clustering import (
    Corrections,
    Faces,
    People,
    Settings,
    Stored,
    by_size,
    cluster_faces,
    correct_clusters,
    naming,
    read_sheets,
    read_thumbnails,
    render,
    sheets,
    splitting,
    thumbnails,
    write_clusters,
)
from tests.clustering.conftest import planted
from tests.gallery.conftest import CONTRACT

HOSTILE = "</script><img src=x onerror=alert(1)>"
EMPTY = {"meta", "input", "br", "img", "link"}
PARTS = ("header", "main", "section", "footer", "h1", "h2", "noscript", "details", "summary", "table")


class Read(HTMLParser):
    """A parser that refuses tags that are not closed in turn, and keeps tags, texts and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.texts, self.scripts = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.texts.append(data)

    @property
    def data(self):
        return next(json.loads(text) for text in self.scripts if text.startswith("{"))


def people_of(embeddings, clusters, reasons=None, names=None) -> People:
    n = len(clusters)
    reasons = reasons or [""] * n
    found = [
        (bytes.fromhex(f"{row:064x}"), int("no " not in reason), None, reason) for row, reason in enumerate(reasons)
    ]
    faces = Faces.of(found, embeddings)
    faces.clusters[:] = clusters
    return People(faces, tuple(reasons), names or {}, 0.5, "as given")


def page(people: People, photos=None, out: str = "/out") -> Read:
    photos = photos or {f"p/{row:05d}.jpg": photo for row, photo in enumerate(people.faces.photos())}
    return Read(render(people, photos, {}, "/photos", out))


def paths(part) -> list[str]:
    return [face[0] for face in part["faces"]]


def test_the_largest_cluster_is_first_and_its_most_representative_face():
    embeddings, labels = planted(people=4, each=7, spread=0.6)
    clusters = labels + 1
    clusters[np.flatnonzero(labels == 1)[:3]] = 3  # cluster 3 has ten faces, cluster 2 four
    people = people_of(embeddings, clusters)
    found = by_size(people.faces)
    assert [number for number, _ in found] == [3, 1, 4, 2]
    for number, rows in found:
        own = np.flatnonzero(clusters == number)
        mean = embeddings[own].astype(np.float64).mean(axis=0)
        cosines = embeddings[own] @ mean / np.linalg.norm(mean)
        assert rows == own[np.argsort(-cosines)].tolist()
    shown = page(people).data["clusters"]
    assert [(cluster["number"], paths(cluster)) for cluster in shown] == [
        (f"{number:04d}", [f"p/{row:05d}.jpg" for row in rows]) for number, rows in found
    ]


def test_faces_apart_are_in_three_parts_and_unreadable_photos_in_the_last():
    reasons = ["", "", "single", "poor: blurred", "no face found"]
    people = people_of(np.eye(5, dtype=np.float32), [1, 1, 0, 0, 0], reasons)
    photos = {f"{row}.jpg": photo for row, photo in enumerate(people.faces.photos())}
    photos |= {"empty.jpg": "", "0 copy.jpg": f"{0:064x}"}
    read = page(people, photos)
    assert [(part["title"], part["faces"]) for part in read.data["apart"]] == [
        ("Seen once", [["2.jpg", "./2.jpg", "", -1]]),
        ("Too poor to judge", [["3.jpg", "./3.jpg", "poor: blurred", -1]]),
        ("No usable face", [["4.jpg", "", "no face found", -1], ["empty.jpg", "", "can't be read", -1]]),
    ]
    assert ["0 copy.jpg", "./0 copy.jpg", "and 1 more with this content", -1] in read.data["clusters"][0]["faces"]
    assert sum(tag == "details" and "open" not in attributes for tag, attributes in read.tags) == 3


@pytest.mark.parametrize(
    "name", [HOSTILE, "</noscript>" + HOSTILE, "\"'>" + HOSTILE, "{{ 7 * 7 }}", "<!--", os.fsdecode(b"\xff<b>")]
)
def test_a_hostile_name_breaks_out_of_nothing(name):
    people = people_of(np.eye(4, dtype=np.float32), [1, 1, 0, 0], ["", "", "single", "poor: " + name], {1: name})
    plain = page(people_of(np.eye(4, dtype=np.float32), [1, 1, 0, 0], ["", "", "single", "poor: "], {1: "Ann"}))
    photos = {f"{name}{row}": photo for row, photo in enumerate(people.faces.photos())}
    html = render(people, photos, {}, name, f"/{name}")
    read = Read(html)
    assert read.tags == plain.tags
    assert read.data["clusters"][0]["name"] == name
    assert set(paths(read.data["clusters"][0])) == {f"{name}0", f"{name}1"}
    assert read.data["out"] == f"/{name}"
    html.encode()


def test_scripts_and_styles_are_only_those_of_the_policy():
    people = people_of(np.eye(2, dtype=np.float32), [1, 1])
    html = render(people, {"a": f"{0:064x}", "b": f"{1:064x}"}, {}, "/photos", "/out")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag in ("style", "script"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "img-src": "data:"}
    assert not re.search(r"\son\w+=|\sstyle=|https?:|\ssrc=", html)


def test_without_scripts_the_page_has_its_headings_and_a_table_of_the_people():
    people = people_of(np.eye(5, dtype=np.float32), [1, 1, 1, 2, 2], names={2: "Ann <Lee>"})
    read = page(people)
    text = " ".join(" ".join(read.texts).split())
    assert "2 people 5 faces in /photos" in text
    assert "Scripts show the faces" in text
    assert "0001 3 0002 Ann <Lee> 2" in text
    assert set(PARTS) <= {tag for tag, _ in read.tags}
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    linked = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert linked == ["#people", "#command"]
    assert {link[1:] for link in linked} <= set(ids)


def test_a_page_of_nobody_says_so():
    read = page(people_of(np.eye(2, dtype=np.float32), [0, 0], ["single", "single"]))
    assert read.data["clusters"] == []
    assert "Nobody was found in two photos or more." in " ".join(read.texts)


def test_references_read_as_no_option_and_no_cluster_and_say_which_face():
    digest = bytes(32)
    found = [(digest, 1, (0.0, 0, 9, 9), ""), (digest, 2, (9.0, 9, 20, 20), ""), (b"\1" * 32, 1, None, "")]
    faces = Faces.of(found, np.eye(3, dtype=np.float32))
    faces.clusters[:] = [1, 2, 1]
    people = People(faces, ("", "", ""), {}, 0.5, "as given")
    shown = page(people, {"-a/x.jpg": digest.hex(), "0001": (b"\1" * 32).hex()}).data["clusters"]
    assert sorted(face[1] for cluster in shown for face in cluster["faces"]) == [
        "./-a/x.jpg#1",
        "./-a/x.jpg#2",
        "./0001",
    ]


@pytest.fixture
def stored(tmp_path) -> Stored:
    """Return what is known of 12 photos of two people."""
    embeddings, labels = planted(people=2, each=6, spread=0.3)
    photos = {}
    (tmp_path / "photos").mkdir()
    for row, label in enumerate(labels):
        path = tmp_path / "photos" / (f"-{row}.png" if row == np.flatnonzero(labels == 0)[0] else f"{label} {row}.png")
        Image.fromarray(np.full([60, 60, 3], 10 * row, np.uint8)).save(path)
        photos[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    faces = Faces.of([(bytes.fromhex(digest), 1, None, "") for digest in photos.values()], embeddings)
    settings = Settings(str(tmp_path / "photos"), False, 20, 0.001, 0.5, None, CONTRACT)
    return Stored(settings, faces, photos, Corrections())


@pytest.fixture
def out(stored, tmp_path):
    """Write the clusters of these photos, and return their folder."""
    write_clusters(tmp_path / "out", stored, cluster_faces(stored.faces, Corrections(), far=0.001, threshold=0.5))
    return tmp_path / "out"


def test_the_embeddings_are_written_before_thumbnails_are_cut(stored, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("finetune.clustering.thumbnails.read_image", stop)
        with pytest.raises(KeyboardInterrupt):
            write_clusters(out, stored, cluster_faces(stored.faces, Corrections(), far=0.001, threshold=0.5))
    assert (out / "embeddings.npz").is_file()
    assert not (out / "people.html").exists()
    correct_clusters(out, [naming("1", "Ann")])
    assert (out / "people.html").is_file()


def test_the_page_and_the_thumbnails_are_private_and_lead_to_the_folder(out):
    for name in ("people.html", "thumbnails.npz"):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    read = Read((out / "people.html").read_text())
    assert read.data["out"] == str(out)
    tiles = [face[3] for cluster in read.data["clusters"] for face in cluster["faces"]]
    assert len(set(tiles)) == 12
    assert tiles == sorted(tiles)


def test_photos_are_not_decoded_again_for_a_correction(out, monkeypatch):
    before = read_thumbnails(out / "thumbnails.npz")
    monkeypatch.setattr("finetune.clustering.thumbnails.read_image", pytest.fail)
    correct_clusters(out, [naming("1", HOSTILE.replace("/", ""))])
    assert read_thumbnails(out / "thumbnails.npz") == before
    assert len(before) == 12
    assert HOSTILE.replace("/", "") in [
        cluster["name"] for cluster in Read((out / "people.html").read_text()).data["clusters"]
    ]


def test_what_the_page_says_to_split_is_split(out):
    clusters = Read((out / "people.html").read_text()).data["clusters"]
    for cluster in clusters:
        for photo, reference, *_ in cluster["faces"]:
            if photo.startswith("-"):
                done = correct_clusters(out, [splitting(cluster["number"], [reference])])
                assert {line.photo for line in done.lines if line.apart} == {photo}
                return
    pytest.fail("no such photo")


def jpegs_of_noise(n: int, seed: int = 0) -> list[bytes]:
    """Return thumbnails with more detail than those of real photos."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        small = Image.fromarray(generator.integers(0, 256, [6, 6, 3], np.uint8))
        smooth = np.asarray(small.resize((48, 48), Image.Resampling.BICUBIC))
        picture = np.clip(smooth + generator.normal(0, 12, [48, 48, 3]), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def test_eleven_thousand_faces_are_under_ten_megabytes():
    n = 11_359
    generator, jpegs = np.random.default_rng(0), jpegs_of_noise(64)
    people = people_of(generator.standard_normal([n, 128]).astype(np.float32), generator.integers(1, 1900, n))
    photos = {f"some folder/George_W_Bush_{row:05d}.jpg": photo for row, photo in enumerate(people.faces.photos())}
    cut = {key: jpegs[row % 64] for row, key in enumerate(people.faces.keys())}
    html = render(people, photos, cut, "/photos", "/out")
    assert 5_000_000 < len(html.encode()) < 10_000_000
    assert n / 64 < html.count('class="sheet"') < n / 20


def test_a_new_face_changes_few_sheets_and_the_page_is_the_one_that_is_made_anew(monkeypatch, tmp_path):
    embeddings, labels = planted(people=20, each=30, spread=0.6)
    jpegs = jpegs_of_noise(600)

    def made(n: int, **kept) -> str:
        people = people_of(embeddings[:n], labels[:n] + 1)
        cut = dict(zip(people.faces.keys(), jpegs, strict=False))
        return render(
            people, {f"{photo}.jpg": photo for photo in people.faces.photos()}, cut, "/photos", "/out", **kept
        )

    (tmp_path / "people.html").write_text(made(599))
    alone, drawn = made(600), []
    draw = sheets.sheet
    monkeypatch.setattr(sheets, "sheet", lambda tiles: drawn.append(tiles) or draw(tiles))
    assert made(600, sheets=sheets.read_sheets(tmp_path / "people.html")) == alone
    assert 1 <= len(drawn) <= 6
    assert len(read_sheets(tmp_path / "nowhere.html")) == 0


def test_each_face_of_the_page_stands_where_its_number_says():
    jpegs = jpegs_of_noise(500)
    tiles = sheets.Tiles()
    numbers = [tiles.add(jpeg) for jpeg in jpegs]
    found = [np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg))), np.int64) for _, jpeg in tiles.sheets({})]
    for number, jpeg in zip(numbers, jpegs, strict=True):
        sheet, place = divmod(number, sheets.EACH)
        shown = found[sheet][48 * place : 48 * place + 48]
        assert np.abs(shown - np.asarray(Image.open(io.BytesIO(jpeg)), np.int64)).mean() < 12


def test_the_sources_end_no_script():
    for name in ("people.js", "people.css"):
        assert "</" not in (Path(thumbnails.__file__).parent / "templates" / name).read_text()
