"""Migration of a gallery to another checkpoint: photos that are there are embedded again, the others are mapped."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.gallery.contract import Contract
from finetune.gallery.contract_check import fitting
from finetune.gallery.gallery import Gallery
from finetune.gallery.mapping import LEAST_IMAGES, MOST_IMAGES, MapCertificate, fit_map
from finetune.gallery.migration_images import Pairs, embed_by_both, read_images, read_probes
from finetune.gallery.migration_rates import MigrationRates, rates_left_out, rates_of_probes
from finetune.gallery.moved_embeddings import Fit, MovedEmbeddings
from finetune.gallery.storage import update, write_gallery
from finetune.model import EmbeddingModel
from finetune.paths import Place, in_one_line
from finetune.words import counted

Restore = Callable[[], EmbeddingModel]
"""Function that restores the gallery's own checkpoint. It is called only where it has to embed images."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Migration(Brief):
    """Migrated gallery that is not written yet, and what the migration costs.

    Attributes:
        before: gallery as it was read.
        after: migrated gallery.
        embedded: number of photos, of people and of strangers, that the new checkpoint embedded.
        mapped: number of photos whose embeddings were mapped.
        rates: identification rates; None if nothing could be measured.
    """

    before: Gallery
    after: Gallery
    embedded: int
    mapped: int
    rates: MigrationRates | None

    @property
    def certificate(self) -> MapCertificate | None:
        """Certificate of the map; None if no photo needed one."""
        return self.after.certificates[-1] if self.mapped else None

    def refuse_loss(self, path: Path, most: float) -> None:
        """Refuse a migration that loses too much, or whose loss is not known.

        Args:
            path: path of the gallery, for the message.
            most: largest loss of the identification rate, as a share of the probes.

        Raises:
            DataError: the loss is larger, or nothing could be measured.
        """
        if self.rates is None:
            found = "nothing to measure the loss on: no photos of two people are there"
            raise DataError(Problem(in_one_line(path), found, "give --labelled FOLDER, or --force"))
        if self.rates.drop > most + 1e-12:
            found = (
                f"would lose {self.rates.drop:.4f} of its identification rate, {self.rates.before.value:.4f} before "
                f"and {self.rates.after.value:.4f} after, on {self.rates.probes}"
            )
            advice = f"enrol the photos again, or allow more than --max-drop {most:g}"
            raise DataError(Problem(in_one_line(path), found, advice))


def plan_migration(
    path: Path,
    gallery: Gallery,
    model: EmbeddingModel,
    old: Restore,
    photos: Place | None = None,
    labelled: Place | None = None,
) -> Migration:
    """Compute the migrated gallery and what the migration costs; the gallery's file is not touched.

    Photos whose files are unchanged are embedded by the new checkpoint, as enrolment does. The embeddings of the others
    are mapped, by a map that is fitted on at most `MOST_IMAGES` images that both checkpoints have embedded.

    Args:
        path: path of the gallery, for messages.
        gallery: gallery of the old checkpoint.
        model: model of the new checkpoint.
        old: function that restores the old checkpoint.
        photos: folder of aligned faces. Photos of the gallery are found in it by their content, and the map is fitted
            on the others too.
        labelled: folder with one folder of aligned faces per person, as probes; no map is fitted on them. By default,
            the enrolled photos that are there are the probes, each left out in turn.

    Raises:
        DataError: the gallery is of this checkpoint or of another embedding size, a folder has no photo that can be
            used, or there are too few images for a map.
    """
    contract = Contract.of(model)
    _refuse_contract(path, gallery, contract, model.embedding_size)
    size = max(contract.image_size, gallery.contract.image_size)
    probes = read_probes(Path(os.path.expanduser(labelled)), gallery, size) if labelled is not None else None
    given = read_images(Path(os.path.expanduser(photos)), size) if photos is not None else {}
    restored = functools.cache(lambda: _restored(old, gallery, path))
    if probes is not None:
        restored()  # reports a lost checkpoint before the photos are embedded
    moved = MovedEmbeddings.begin(gallery, model, given)
    fit = None
    if len(moved.gone):
        pairs = moved.pairs()
        if given and len(pairs) < MOST_IMAGES:
            known = {*moved.whole.hashes(), *(probes.digests if probes else ())}
            pairs = pairs.joined(embed_by_both(given, known, restored(), model, MOST_IMAGES - len(pairs)))
        fit = _fit(path, pairs.thinned(MOST_IMAGES), len(moved.gone))
    if probes is None:
        rates = rates_left_out(moved, fit)
    else:
        rates = rates_of_probes(moved, fit, probes, probes.embedded(restored()), probes.embedded(model))
    named = {name: rate.value for name, rate in rates.rows()} if rates else {}
    return Migration(gallery, moved.gallery(contract, fit, named, given), len(moved.there), len(moved.gone), rates)


def write_migration(path: Path, migration: Migration, output: Path | None = None) -> None:
    """Replace the gallery by the migrated one in one step, under its lock; or write the migrated one elsewhere.

    Raises:
        DataError: the gallery has changed since it was read.
        RunError: the file can't be written; the gallery is intact.
    """
    if output is not None:
        write_gallery(output, migration.after)
        return

    def replace(now: Gallery | None) -> Gallery:
        if now is None or not _same(now, migration.before):
            raise DataError(Problem(in_one_line(path), "has changed while it was migrated", "migrate it again"))
        return migration.after

    update(path, replace)


def _restored(old: Restore, gallery: Gallery, path: Path) -> EmbeddingModel:
    """Return the gallery's own checkpoint.

    Raises:
        DataError: it is another one.
    """
    model = old()
    fitting(gallery, Contract.of(model), path)
    return model


def _refuse_contract(path: Path, gallery: Gallery, contract: Contract, embedding_size: int) -> None:
    """Refuse a migration that changes nothing, or one to embeddings of another size."""
    where = in_one_line(path)
    if not gallery.contract.differences(contract):
        found = f"has embeddings of {contract.checkpoint} already"
        raise DataError(Problem(where, found, "give --migrate another checkpoint"))
    if gallery.embedding_size != embedding_size:
        found = f"has embeddings of {gallery.embedding_size} values, and {contract.checkpoint} gives {embedding_size}"
        raise DataError(Problem(where, found, "enrol the photos in a gallery of their own"))


def _fit(path: Path, pairs: Pairs, gone: int) -> Fit:
    """Fit the map for photos that are gone, or refuse too few images."""
    if len(pairs) < LEAST_IMAGES:
        lost, images = counted(gone, "photo"), counted(len(pairs), "image")
        found = f"{lost} not found, and {images} to fit a map on, of {LEAST_IMAGES} at least"
        raise DataError(Problem(in_one_line(path), found, "give aligned faces by --photos FOLDER"))
    return Fit(fit_map(pairs.old, pairs.new, pairs.people), pairs)


def _same(first: Gallery, second: Gallery) -> bool:
    """Return whether two galleries hold the same people, photos and embeddings."""
    parts = (
        (first.labels, second.labels),
        (first.stranger_labels, second.stranger_labels),
        (first.photos.digests, second.photos.digests),
        (first.strangers.digests, second.strangers.digests),
        (first.embeddings, second.embeddings),
        (first.decisions.photos.digests, second.decisions.photos.digests),
    )
    people = first.people == second.people and first.decisions.people == second.decisions.people
    same = people and first.contract.weights == second.contract.weights
    return same and all(np.array_equal(one, other) for one, other in parts)
