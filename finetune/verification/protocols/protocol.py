"""The record by which a verification protocol is known: its name, its options and what it does with pairs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

from finetune.errors import Problem
from finetune.verification import VerificationResult


@dataclasses.dataclass(frozen=True)
class Option:
    """An option of a protocol. Whoever is not given it takes the protocol's own default.

    Attributes:
        name: the keyword in Python; the command line writes it with dashes.
        metavar: the word for its value in the command's help.
        read: returns the value of a text, or raises a ValueError.
        wants: what to give, as in "give a rate above 0 and below 1".
        help: what the option sets, for the command's help.
    """

    name: str
    metavar: str
    read: Callable[[str], Any]
    wants: str
    help: str


@dataclasses.dataclass(frozen=True)
class VerificationProtocol:
    """A way to judge embeddings by pairs of images.

    Both functions take `distance` and `subtract_mean`, as an `lfw` section has them, and the protocol's own options,
    by keyword.

    Attributes:
        name: the word by which users choose it.
        summary: what it does, in a few words, for the command's help.
        evaluate: computes the VerificationResult of the embeddings [images, E] of `ImagePairs.paths`, and these
            pairs. With the keyword `keep`, bool [n], the other pairs count as if they were not there. It raises a
            DataError where the pairs can't be judged.
        needs: yields the problems of pairs and options, before anything is embedded. It takes the pairs, and
            their place as messages name it.
        options: its own options.
    """

    name: str
    summary: str
    evaluate: Callable[..., VerificationResult]
    needs: Callable[..., Iterator[Problem]]
    options: tuple[Option, ...] = ()

    def given(self, **options: Any) -> VerificationProtocol:
        """Return the protocol with values for some of its own options."""
        return dataclasses.replace(
            self,
            evaluate=functools.partial(self.evaluate, **options),
            needs=functools.partial(self.needs, **options),
        )
