"""Measurement of a model on LFW, or on any pairs file in its format."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError
from finetune.recipe import LFW
from finetune.verification.overlap import find_overlap
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import K_FOLD, VerificationProtocol
from finetune.verification.result import Distance, VerificationResult


class Embed(Protocol):
    """Protocol of functions that embed images."""

    def __call__(self, paths: Sequence[Path], /, *, flip: bool) -> npt.NDArray[np.float32]:
        """Return one row per path, [n, E]; with `flip`, the mirror image's embedding is appended, [n, 2E]."""


def measure(
    embed: Embed,
    image_pairs: ImagePairs,
    *,
    protocol: VerificationProtocol = K_FOLD,
    distance: Distance = "euclidean",
    subtract_mean: bool = False,
    flip: bool = False,
    trained: Iterable[str] = (),
) -> VerificationResult:
    """Measure the pairs' images with a protocol. Each image is embedded once.

    Args:
        embed: function that is called once, with `image_pairs.paths` and `flip`. It must return one row per path.
        image_pairs: result of `finetune.verification.resolve`.
        protocol: FaceNet's protocol, or a result of `by_name` of `finetune.verification.protocols`.
        distance: `euclidean` for the squared Euclidean distance, `cosine` for the angle divided by π.
        subtract_mean: True to subtract the mean embedding of the other folds from each fold's embeddings first.
        flip: True to embed each image's mirror image too, and compare the concatenated embeddings.
        trained: identities that the model was trained on, if known. If the pairs name some of them, the result has an
            `overlap`, and figures `without_overlap`.

    Raises:
        DataError: the protocol can't judge the pairs, for example because they are too few for the folds. One line per
            reason.
        ValueError: `embed` left images out.
    """
    embeddings = embed_all(embed, image_pairs.paths, flip=flip)
    settings = Settings(protocol, distance, subtract_mean, flip)
    return judged(embeddings, image_pairs, settings, trained)


def embed_all(embed: Embed, paths: tuple[Path, ...], *, flip: bool) -> npt.NDArray[np.float32]:
    """Return the embeddings of images, [n, E], or [n, 2E] with `flip`.

    Raises:
        ValueError: `embed` left images out.
    """
    embeddings = embed(paths, flip=flip)
    if len(embeddings) != len(paths):
        raise ValueError(f"embed gave {len(embeddings)} rows for {len(paths)} images")
    return embeddings


class Settings(NamedTuple):
    """Settings by which pairs are judged; see `measure`."""

    protocol: VerificationProtocol = K_FOLD
    distance: Distance = "euclidean"
    subtract_mean: bool = False
    flip: bool = False


def judged(
    embeddings: npt.NDArray[np.float32],
    image_pairs: ImagePairs,
    settings: Settings,
    trained: Iterable[str] = (),
) -> VerificationResult:
    """Return the result of embedded pairs.

    Args:
        embeddings: embeddings of `image_pairs.paths`, [images, E].
        image_pairs: pairs to judge.
        settings: settings of the protocol.
        trained: identities that the model was trained on; see `measure`.
    """
    evaluate = functools.partial(
        settings.protocol.evaluate,
        embeddings,
        image_pairs,
        distance=settings.distance,
        subtract_mean=settings.subtract_mean,
    )
    result = evaluate()
    result = dataclasses.replace(
        result,
        flip=settings.flip,
        notes=image_pairs.notes + result.notes,
        pairs_sha256=image_pairs.sha256,
        sample_of=image_pairs.sample_of,
    )
    names = tuple(trained)
    return _with_overlap(result, names, image_pairs, evaluate) if names else result


def measure_lfw(
    embed: Embed,
    image_pairs: ImagePairs,
    lfw: LFW,
    trained: Iterable[str] = (),
    protocol: VerificationProtocol = K_FOLD,
) -> VerificationResult:
    """Measure pairs with the settings of a recipe's `lfw` section; see `measure`."""
    return measure(
        embed,
        image_pairs,
        protocol=protocol,
        distance=lfw.distance,
        subtract_mean=lfw.subtract_mean,
        flip=lfw.flip,
        trained=trained,
    )


def _with_overlap(
    result: VerificationResult,
    trained: Sequence[str],
    image_pairs: ImagePairs,
    evaluate: Callable[..., VerificationResult],
) -> VerificationResult:
    """Return the result with the overlap of identities, and with the figures without them."""
    overlap, clean = find_overlap(trained, image_pairs)
    result = dataclasses.replace(result, overlap=overlap)
    if not overlap.identities:
        return result
    try:
        without = evaluate(keep=clean)
    except DataError as error:
        note = "; ".join([f"no figures without {result.left_out}", *map(str, error.problems)])
        return dataclasses.replace(result, notes=(*result.notes, note))
    digest = image_pairs.only(clean).sha256
    without = dataclasses.replace(without, flip=result.flip, pairs_sha256=digest, sample_of=result.sample_of)
    return dataclasses.replace(result, without_overlap=without)
