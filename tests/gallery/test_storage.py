"""A gallery's file is read as it was written, even after a writer is killed. A file with false content is refused."""

from __future__ import annotations

import dataclasses
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from finetune.errors import DataError, RunError
from finetune.gallery import storage
from finetune.gallery.mapping import MapCertificate
from finetune.gallery.storage import read_contract, read_gallery, update, write_gallery
from tests.gallery.conftest import gallery, photos, vectors

ROOT = Path(__file__).resolve().parents[2]
ADD = """
import sys
from pathlib import Path
from finetune.gallery.storage import update
from tests.gallery.conftest import CONTRACT, photos, vectors
from finetune.gallery.gallery import Gallery
path, start, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(start, start + count):
    new = photos(vectors([number]), seed=number)
    update(path, lambda now: (now or Gallery.empty(CONTRACT, 16)).add([f"p{number}"], new))
    print(number, flush=True)
"""


def equal(first, second) -> bool:
    same = (first.contract, first.people) == (second.contract, second.people)
    pairs = [(first.labels, second.labels), (first.stranger_labels, second.stranger_labels)]
    for one, other in ((first.photos, second.photos), (first.strangers, second.strangers)):
        pairs += [(getattr(one, field.name), getattr(other, field.name)) for field in dataclasses.fields(one)]
    return same and all(np.array_equal(one, other) for one, other in pairs)


def adding(path: Path, start: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD, str(path), str(start), str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("people", [0, 1, 30])
def test_what_is_written_is_read(tmp_path, people):
    written = gallery(people).add_strangers(np.array([0, 1, 1]), photos(vectors([40, 41, 41]), seed=9))
    write_gallery(tmp_path / "g.h5", written)
    assert equal(read_gallery(tmp_path / "g.h5"), written)
    assert [path.name for path in tmp_path.iterdir()] == ["g.h5"]


def test_the_contract_is_read_alone(tmp_path):
    write_gallery(tmp_path / "g.h5", gallery())
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        del file["embeddings"]
    assert read_contract(tmp_path / "g.h5") == gallery().contract
    with pytest.raises(DataError, match="holds no embeddings"):
        read_gallery(tmp_path / "g.h5")


def test_galleries_made_before_files_were_remembered_are_read(tmp_path):
    found = gallery(people=4).add_strangers(np.arange(2), photos(vectors([20, 21]), seed=3))
    write_gallery(tmp_path / "g.h5", found)
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        without_checksums(file)
        for name in ("paths", "originals", "stranger_paths", "stranger_originals"):
            del file[name]
    before = read_gallery(tmp_path / "g.h5")
    assert equal(before, found)
    assert before.photos.paths.tolist() == [b""] * len(found)
    np.testing.assert_array_equal(before.photos.originals, found.photos.digests)


def with_maps(people=4):
    """Return a gallery of which some embeddings are mapped, with the certificate of the map."""
    found = gallery(people).add_strangers(np.array([0, 1]), photos(vectors([40, 41]), seed=9))
    marks = [np.arange(len(part), dtype=np.uint8) % 3 for part in (found.photos, found.strangers)]
    certificate = MapCertificate("ab" * 32, "cd" * 32, 20, 4, 0.9, 0.5, 0.25, {"old gallery, old probes": 1.0})
    first, second = (
        dataclasses.replace(part, maps=maps) for part, maps in zip((found.photos, found.strangers), marks, strict=True)
    )
    return dataclasses.replace(found, photos=first, strangers=second, certificates=(certificate,))


def test_maps_and_their_certificates_are_kept_through_changes(tmp_path):
    path, written = tmp_path / "g.h5", with_maps()
    write_gallery(path, written)
    assert equal(read_gallery(path), written)
    assert read_gallery(path).certificates == written.certificates
    assert written.n_mapped == 11
    changed = update(path, lambda now: now.remove("person 0"))
    assert changed.photos.maps.tolist() == written.photos.maps[4:].tolist()
    assert read_gallery(path).certificates == written.certificates


def test_a_gallery_without_maps_has_the_form_that_it_always_had(tmp_path):
    write_gallery(tmp_path / "g.h5", gallery())
    with h5py.File(tmp_path / "g.h5") as file:
        assert not [name for name in file if "maps" in name]
        assert set(file.attrs) == {"format", "contract", "checksums"}


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("maps", lambda file: file["maps"].write_direct(np.zeros(len(file["maps"]), np.uint8))),
        ("maps", lambda file: file.pop("maps")),
        ("certificates", lambda file: file.attrs.pop("certificates")),
        ("certificates", lambda file: file.attrs.modify("certificates", np.bytes_("[]"))),
    ],
    ids=["other marks", "no marks", "no certificates", "other certificates"],
)
def test_what_a_gallery_says_of_its_maps_can_not_be_taken_away(tmp_path, what, change):
    write_gallery(tmp_path / "g.h5", with_maps())
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        change(file)
    with pytest.raises(DataError, match=what if what == "maps" else "certificates|not a gallery of finetune's"):
        read_gallery(tmp_path / "g.h5")


@pytest.mark.parametrize("wrong", [{"old": 3}, {"images": 1.5}, {"mean": "0.9"}, {"rates": {"a": "b"}}, {"rates": []}])
def test_a_certificate_of_other_types_is_refused(tmp_path, wrong):
    found = with_maps()
    certificate = dataclasses.replace(found.certificates[0], **wrong)
    write_gallery(tmp_path / "g.h5", dataclasses.replace(found, certificates=(certificate,)))
    with pytest.raises(DataError, match="the certificate of a map is none"):
        read_gallery(tmp_path / "g.h5")


def test_other_tools_read_it(tmp_path):
    write_gallery(tmp_path / "g.h5", gallery(2, each=1))
    with h5py.File(tmp_path / "g.h5") as file:
        assert file["people"].asstr()[:].tolist() == ["person 0", "person 1"]
        assert file["embeddings"].shape == (2, 16)


def test_a_change_that_fails_leaves_the_gallery_as_it_was(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    before = path.read_bytes()
    with pytest.raises(DataError):
        update(path, lambda now: now.remove("nobody"))
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_gallery_as_it_was(tmp_path):
    """Limit the size of files, which acts as a full disk does: within the write of the large arrays."""
    path = tmp_path / "g.h5"
    write_gallery(path, gallery(people=20))
    before = path.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.gallery.conftest import gallery; from finetune.gallery.storage import write_gallery\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "large = gallery(people=900)\n"
        "for limit in (0, 100, 3000, 40000, 200000):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try: write_gallery(Path(sys.argv[1]), large)\n"
        "    except Exception as error: print(type(error).__name__, error, file=sys.stdout)\n"
    )
    # Its output goes through a pipe, which has no size.
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    told = f"RunError {path}: can't be written (File too large); what stood there before is whole; make room"
    assert done.stdout.splitlines() == [told] * 5
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["g.h5"]


def test_a_place_that_can_not_be_written_to_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"choose another place for the gallery$"):
        update(tmp_path / "file" / "g.h5", lambda now: gallery())


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_enrolment_is_killed_at_any_moment(tmp_path):
    path, random_ = tmp_path / "g.h5", random.Random(6)
    acknowledged, start = set(), 0
    for _ in range(30):
        with adding(path, start, 10_000) as writer:
            first = writer.stdout.readline()
            time.sleep(random_.uniform(0, 0.15))
            writer.send_signal(signal.SIGKILL)
            told = [first, *writer.stdout.read().splitlines()]
        acknowledged |= {f"p{int(line)}" for line in told if line.strip()}
        found = read_gallery(path)
        assert acknowledged <= set(found.people)
        assert len(found) == len(found.people) <= len(acknowledged) + 30  # one more, at most, each time
        start = 1 + max(int(name[1:]) for name in found.people)
    assert len(acknowledged) >= 30


def test_two_processes_at_once_lose_nothing(tmp_path):
    path = tmp_path / "g.h5"
    writers = [adding(path, start, 40) for start in (0, 1000)]
    told = [writer.communicate()[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    found = read_gallery(path)
    assert set(found.people) == {f"p{number}" for number in told[0] + told[1]}
    assert len(found) == 80
    orders = [[int(name[1:]) for name in found.people if (int(name[1:]) >= 1000) == late] for late in (False, True)]
    assert all(order == sorted(order) for order in orders)


def test_a_lock_goes_with_the_process_that_held_it(tmp_path):
    path = tmp_path / "g.h5"
    with adding(path, 0, 10_000) as writer:
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    assert "late" in update(path, lambda now: now.add(["late"], photos(vectors([77]), seed=77_777))).people


def test_a_gallery_behind_a_link_is_the_gallery(tmp_path):
    real, link = tmp_path / "far/g.h5", tmp_path / "g.h5"
    real.parent.mkdir()
    link.symlink_to(real)
    write_gallery(real, gallery())
    somebody = gallery().people[0]
    update(link, lambda now: now.remove(somebody))
    assert link.is_symlink()
    assert somebody not in read_gallery(real).people
    assert somebody.encode() not in real.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"far", "g.h5"}


def test_writers_by_two_names_of_one_gallery_exclude_each_other(tmp_path):
    (tmp_path / "far").mkdir()
    link = tmp_path / "g.h5"
    link.symlink_to(tmp_path / "far/g.h5")
    with adding(link, 0, 12) as one, adding(tmp_path / "far/g.h5", 1000, 12) as two:
        assert (one.wait(), two.wait()) == (0, 0)
    assert len(read_gallery(link).people) == 24


def test_a_new_gallery_is_its_owners_alone_and_an_old_one_keeps_its_mode(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    update(path, lambda now: now.remove(gallery().people[0]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def without_checksums(file):
    """Change a gallery's file to the form that the first version wrote."""
    file.attrs.modify("format", np.bytes_("finetune gallery 1"))
    del file.attrs["checksums"]


def absurd(file, name, shape, dtype="f4", **how):
    del file[name]
    file.create_dataset(name, shape=shape, dtype=dtype, **how)


def replaced(file, name, values):
    del file[name]
    file[name] = values


def soft(file):
    del file["embeddings"]
    file["embeddings"] = h5py.SoftLink("/norms")


def external(file):
    (Path(file.filename).parent / "secret.bin").write_bytes(b"\0" * 4 * 16 * 20)
    absurd(file, "embeddings", (20, 16), external=[("secret.bin", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    layout = h5py.VirtualLayout((20, 16), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "embeddings", (20, 16))
    del file["embeddings"]
    file.create_virtual_dataset("embeddings", layout)


def names(*people):
    return lambda file: replaced(file, "people", np.array([name.encode() for name in people], "S"))


LIES = {
    "petabytes": (lambda file: absurd(file, "embeddings", (10**12, 512), chunks=(1, 512)), "in one piece"),
    "unwritten space": (lambda file: absurd(file, "embeddings", (10**9, 16)), "which are not there"),
    "beyond any size": (lambda file: absurd(file, "embeddings", (2**50, 16), chunks=(1, 16)), "in one piece"),
    "other lengths": (lambda file: replaced(file, "labels", np.zeros(19, np.int64)), "different lengths"),
    "a label of nobody": (lambda file: replaced(file, "labels", np.full(20, 99, np.int64)), "label of nobody"),
    "a negative label": (lambda file: replaced(file, "labels", np.full(20, -1, np.int64)), "label of nobody"),
    "another type": (lambda file: replaced(file, "embeddings", np.zeros([20, 16])), "float64"),
    "no numbers": (lambda file: replaced(file, "embeddings", np.full([20, 16], np.nan, "f4")), "unit length"),
    "another length": (lambda file: replaced(file, "embeddings", np.ones([20, 16], "f4")), "unit length"),
    "a part missing": (lambda file: file.pop("digests"), "holds no digests"),
    "a group": (lambda file: (file.pop("labels"), file.create_group("labels")), "labels does not lie"),
    "a soft link": (soft, "holds no embeddings"),
    "another file's values": (external, "in one piece"),
    "a virtual dataset": (virtual, "in one piece"),
    "names as paths": (names(*"abcd", "../../x"), "can't be a person's name: it reads as a path"),
    "names of control characters": (names(*"abcd", "e\x1b[2J"), "characters that can't be printed"),
    "a name twice": (names(*"abcdd"), "stands in it twice"),
    "somebody without a photo": (names(*"abcdef"), "without a photo"),
    "no text": (lambda file: replaced(file, "people", np.array([b"\xff"] * 5)), "not a gallery, or damaged"),
    "another format": (lambda file: file.attrs.modify("format", np.bytes_("mine 2")), "not a gallery of finetune's"),
    "no format": (lambda file: file.attrs.pop("format"), "not a gallery of finetune's"),
    "a format of numbers": (lambda file: file.attrs.create("format", np.zeros(3)), "its format is not text"),
    "a contract of nothing": (lambda file: file.attrs.modify("contract", np.bytes_("{}")), "not a gallery, or damaged"),
    "a contract of lies": (
        lambda file: file.attrs.create(
            "contract",
            np.bytes_('{"checkpoint": 3, "weights": "", "image_size": 160, "standardization": "fixed"}'),
        ),
        "its contract is none",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_lies_is_refused_in_one_line(tmp_path, lie):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    change, problem = LIES[lie]
    with h5py.File(path, "r+") as file:
        without_checksums(file)
        change(file)
    with pytest.raises(DataError) as refused:
        read_gallery(path)
    (line,) = map(str, refused.value.problems)
    assert line.startswith(f"{path}: ")
    assert problem in line
    assert line.isprintable()


def test_no_file_and_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    for name, problem in (("none", "no such file"), ("text", "or damaged"), ("empty", "or damaged"), (".", "not a")):
        with pytest.raises(DataError, match=problem):
            read_gallery(tmp_path / name)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_gallery(path)


PARTS = ("people", "labels", "stranger_labels", "embeddings", "norms", "digests", "files", "paths", "originals")


@pytest.mark.parametrize("part", [*PARTS, *(f"stranger_{name}" for name in PARTS[3:])])
def test_one_bit_of_any_part_is_noticed(tmp_path, part):
    path = tmp_path / "g.h5"
    found = gallery(people=4).add_strangers(np.array([0, 1]), photos(vectors([40, 41]), seed=9))
    write_gallery(path, found)
    with h5py.File(path) as file:
        place = file[part].id.get_offset() + file[part].size * file[part].dtype.itemsize // 2
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"damaged: {part} is not what was written; give .* a copy of this one"):
        read_gallery(path)


def test_a_contract_that_changed_is_noticed(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    path.write_bytes(path.read_bytes().replace(b'"fixed"', b'"fixeb"'))
    for read in (read_gallery, read_contract):
        with pytest.raises(DataError, match="damaged: its contract is not what was written"):
            read(path)


def test_a_gallery_without_the_checksums_that_it_had_is_refused(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    with h5py.File(path, "r+") as file:
        del file.attrs["checksums"]
    with pytest.raises(DataError, match="not a gallery of finetune's"):
        read_gallery(path)


@pytest.mark.slow
def test_damaged_bytes_anywhere_change_nothing_or_are_refused(tmp_path):
    """Read 500 mutants of one file."""
    path, random_ = tmp_path / "g.h5", random.Random(3)
    written = gallery().add_strangers(np.array([0, 1, 1]), photos(vectors([40, 41, 41]), seed=9))
    write_gallery(path, written)
    whole = path.read_bytes()
    refused = 0
    for _ in range(500):
        content = bytearray(whole)
        for _ in range(random_.choice([1, 1, 2, 16])):
            place = random_.randrange(len(content) if random_.random() < 0.5 else 4096)
            content[place] = random_.choice([0, 255, content[place] ^ (1 << random_.randrange(8))])
        path.write_bytes(content)
        try:
            found = read_gallery(path)
        except DataError:
            refused += 1
            continue
        assert equal(found, written)
    assert 100 < refused < 500


@pytest.mark.parametrize("label", [-1, 3])
def test_a_photo_of_nobody_is_refused(tmp_path, label):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery(people=3))
    with h5py.File(path, "r+") as file:
        without_checksums(file)
        file["labels"][-1] = label
    with pytest.raises(DataError, match="a label of nobody"):
        read_gallery(path)


def test_a_large_gallery_stays_in_its_file_and_its_checksums_are_compared(tmp_path, monkeypatch):
    written = gallery(people=9, size=64)
    write_gallery(tmp_path / "g.h5", written)
    monkeypatch.setattr(storage, "MAPPED", written.embeddings.nbytes)
    read = read_gallery(tmp_path / "g.h5")
    assert equal(read, written)
    assert isinstance(read.embeddings.base, np.memmap)
    assert not isinstance(read.photos.digests.base, np.memmap)
    write_gallery(tmp_path / "g.h5", gallery(people=2, size=64))  # beside it and renamed: the mapped one stays
    assert equal(read, written)

    write_gallery(tmp_path / "g.h5", written)
    content = (tmp_path / "g.h5").read_bytes()
    place = content.index(written.embeddings[20].tobytes())
    (tmp_path / "g.h5").write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(DataError, match="damaged: embeddings is not what was written"):
        read_gallery(tmp_path / "g.h5")
