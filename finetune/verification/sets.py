"""Several sets of pairs that are measured together: an image of several sets is embedded once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError
from finetune.images import ImageRecord
from finetune.recipe import LFW, MeasuredSet
from finetune.verification.groups_file import read_groups
from finetune.verification.measuring import Embed, Settings, embed_all, judged
from finetune.verification.opening import open_pairs, refuse_unfit
from finetune.verification.pair_groups import PairGroups
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import K_FOLD, VerificationProtocol, by_name
from finetune.verification.result import VerificationResult
from finetune.verification.sampling import sampled

OF_LFW = "lfw"
"""Name of the set of a recipe's `lfw` section."""


@dataclasses.dataclass(frozen=True, repr=False)
class PairSet(Brief):
    """Set of pairs, with the settings by which it is measured.

    Attributes:
        name: name of the set: `lfw`, or that of a set in `measure`.
        section: `lfw` section of the recipe, or the set in `measure`.
        pairs: pairs to measure and their images.
        protocol: protocol that judges them, with its options.
        groups: groups of the people in the pairs; None if the section has no file of groups.
    """

    name: str
    section: LFW | MeasuredSet
    pairs: ImagePairs
    protocol: VerificationProtocol = K_FOLD
    groups: PairGroups | None = None

    @classmethod
    def open(cls, name: str, section: LFW | MeasuredSet, protocol: VerificationProtocol | None = None) -> PairSet:
        """Return a set with all of its pairs.

        Args:
            name: name of the set.
            section: section of the recipe.
            protocol: protocol in place of the section's own.

        Raises:
            DataError: the pairs or their groups can't be used, or the protocol can't judge them. Each line names a set
                of `measure`.
        """
        own = by_name(section.protocol, **section.options) if isinstance(section, MeasuredSet) else K_FOLD
        try:
            pairs = open_pairs(section, protocol or own)
            return cls(name, section, pairs, protocol or own, _groups(section, pairs))
        except DataError as error:
            raise DataError(*error.within(_place(name))) from None

    def sampled(self) -> PairSet:
        """Return the set with the share of its pairs that the section asks for.

        Raises:
            DataError: the protocol can't judge so few pairs.
        """
        pairs = sampled(self.pairs, self.section.sample)
        try:
            refuse_unfit(pairs, self.section, self.protocol)
        except DataError as error:
            raise DataError(*error.within(_place(self.name))) from None
        return dataclasses.replace(self, pairs=pairs, groups=_groups(self.section, pairs))

    @property
    def settings(self) -> Settings:
        """Settings by which the pairs are judged."""
        return Settings(self.protocol, self.section.distance, self.section.subtract_mean, self.section.flip)


def _groups(section: LFW | MeasuredSet, pairs: ImagePairs) -> PairGroups | None:
    return read_groups(section.groups, pairs) if section.groups else None


def _place(name: str) -> str:
    return "" if name == OF_LFW else f"measure.{name}"


def measure_sets(
    embed: Embed,
    sets: Sequence[PairSet],
    trained: Iterable[str] = (),
    records: Mapping[Path, ImageRecord] | None = None,
) -> dict[str, VerificationResult]:
    """Measure sets of pairs. Each distinct image is embedded once, and mirrored only for a set with `flip`.

    Args:
        embed: function that embeds images. It is called once for all images of sets with `flip`, and once for those
            that only other sets have.
        sets: sets, each under its own name.
        trained: identities that the model was trained on, if known; see `measure`.
        records: records of the images. Two files of different sets with the same bytes are one image. Default: files
            are told apart by their paths alone.

    Returns:
        One result per set, by name, in the order of the sets. It equals the result of a set that is measured alone.

    Raises:
        DataError: a protocol can't judge its pairs; one line per reason.
        ValueError: `embed` left images out.
    """
    names = tuple(trained)
    images = _Images(records or {})
    for one in (*(s for s in sets if s.section.flip), *(s for s in sets if not s.section.flip)):
        images.add(one.pairs.paths, flip=one.section.flip)
    embedded = images.embedded(embed)
    found = {}
    for one in sets:
        rows = embedded.rows(one.pairs.paths, flip=one.section.flip)
        result = judged(rows, one.pairs, one.settings, names)
        result = dataclasses.replace(result, groups=one.groups)
        found[one.name] = result if one.name == OF_LFW else named(result, one.name)
    return found


def named(result: VerificationResult, name: str) -> VerificationResult:
    """Return a result with the name of its set."""
    without = result.without_overlap and dataclasses.replace(result.without_overlap, name=name)
    return dataclasses.replace(result, name=name, without_overlap=without)


def distinct_images(sets: Sequence[PairSet], *, flip: bool) -> tuple[Path, ...]:
    """Return the distinct images of all sets by path, or with `flip` of the sets that embed mirror images too."""
    chosen = [one for one in sets if one.section.flip or not flip]
    return tuple(dict.fromkeys(path for one in chosen for path in one.pairs.paths))


class _Images:
    """The distinct images of several sets, and the place of each path among them.

    Files of one set are told apart by their paths, so that a set alone is embedded just as it lists its images.
    """

    def __init__(self, records: Mapping[Path, ImageRecord]) -> None:
        self._records = records
        self._place: dict[Path, int] = {}
        self._by_content: dict[bytes, int] = {}
        self._paths: list[Path] = []
        self._mirrored = 0  # images from the first on whose mirror images are embedded too

    def add(self, paths: Sequence[Path], *, flip: bool) -> None:
        """Add the images of a set. Sets with `flip` come first."""
        contents: dict[bytes, int] = {}
        for path in paths:
            record = self._records.get(path)
            if path not in self._place:
                known = self._by_content.get(record.digest) if record else None
                self._place[path] = len(self._paths) if known is None else known
                self._paths += [path] if known is None else []
            if record:
                contents[record.digest] = self._place[path]
        self._by_content = contents | self._by_content
        if flip:
            self._mirrored = len(self._paths)

    def embedded(self, embed: Embed) -> _Embedded:
        """Embed every image once."""
        paths, n = tuple(self._paths), self._mirrored
        both = embed_all(embed, paths[:n], flip=True) if n else None
        rest = embed_all(embed, paths[n:], flip=False) if n < len(paths) else None
        return _Embedded(paths, self._place, both, rest)


@dataclasses.dataclass(frozen=True)
class _Embedded:
    """Embeddings of distinct images.

    Attributes:
        paths: distinct images, those with mirror images first.
        place: number of each path of any set among them.
        both: embeddings of image and mirror image side by side, [m, 2E]; None if no set has `flip`.
        rest: embeddings of the other images, [images - m, E]; None if there are none.
    """

    paths: tuple[Path, ...]
    place: Mapping[Path, int]
    both: npt.NDArray[np.float32] | None
    rest: npt.NDArray[np.float32] | None

    def rows(self, paths: tuple[Path, ...], *, flip: bool) -> npt.NDArray[np.float32]:
        """Return the embeddings of a set's images, [n, E], or [n, 2E] with `flip`."""
        rows = self.both if flip and self.both is not None else self._without_mirror_images
        if self.paths[: len(rows)] == paths:
            return rows
        return rows[[self.place[path] for path in paths]]

    @functools.cached_property
    def _without_mirror_images(self) -> npt.NDArray[np.float32]:
        """The embeddings of all images, without mirror images, [images, E]."""
        halves = [] if self.both is None else [self.both[:, : self.both.shape[1] // 2]]
        parts = [*halves, *([] if self.rest is None else [self.rest])]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
