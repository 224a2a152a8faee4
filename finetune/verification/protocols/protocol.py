"""Record of a verification protocol: its name, its options and its functions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

from finetune.errors import Problem
from finetune.verification import VerificationResult


@dataclasses.dataclass(frozen=True)
class Option:
    """Option of a protocol. If it is not given, the protocol's own default applies.

    Attributes:
        name: keyword in Python; the command line writes it with dashes.
        metavar: word for its value in the command's help.
        read: function that returns the value of a text, or raises a ValueError.
        wants: description of the value, as in "give a rate above 0 and below 1".
        help: description of the option, for the command's help.
    """

    name: str
    metavar: str
    read: Callable[[str], Any]
    wants: str
    help: str


@dataclasses.dataclass(frozen=True)
class VerificationProtocol:
    """Way to judge embeddings with pairs of images.

    Both functions take `distance` and `subtract_mean`, as in an `lfw` section, and the protocol's own options, by
    keyword.

    Attributes:
        name: word by which users choose it.
        summary: short description for the command's help.
        evaluate: function that computes the VerificationResult of the embeddings [images, E] of `ImagePairs.paths` and
            these pairs. With the keyword `keep`, bool [n], the other pairs are ignored. It raises a DataError if the
            pairs can't be judged.
        needs: function that yields the problems of pairs and options, before anything is embedded. It takes the pairs,
            and their place in messages.
        options: own options of the protocol.
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
