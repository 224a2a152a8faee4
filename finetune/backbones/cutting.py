"""The cut of a whole network's graph into units, which are named after the blocks that its layers' names show.

A graph can be cut where a single tensor crosses. The layers between two such places are a segment, such as a
convolution or a whole residual block. The segments of one block make up a unit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from finetune.backbones.backbone import Unit
from finetune.backbones.graph import Graph, Node
from finetune.backbones.layer_kinds import Kernel

Words: TypeAlias = tuple[str, ...]
"""A layer's name, split at its underscores."""
MOST_WORDS = 16
"""Largest number of words in the name of a block."""
Segment: TypeAlias = Sequence[Node]


def cut(graph: Graph) -> tuple[Unit, ...]:
    """Return the units of a network; none if no layer has a kernel.

    A unit begins at a segment with a kernel, unless it and the unit before are of one block. Other segments join the
    unit before them, or the one after them if their names are of its block.

    Args:
        graph: all layers. The output must depend on each of them.
    """
    kernels = [_words(node.name) for node in graph.nodes if isinstance(node.layer, Kernel)]
    if not kernels:
        return ()
    shared = _words_shared(kernels) if len(kernels) > 1 else 0
    groups: list[list[Segment]] = []
    waiting: list[Segment] = []  # the segments since the last one with a kernel
    for segment in _segments(graph.nodes):
        if not _kernels(segment):
            waiting.append(segment)
            continue
        if groups and _of_one_block(groups[-1], segment, shared):
            groups[-1] += [*waiting, segment]
        else:
            start = _start(waiting, groups[-1], segment, shared) if groups else 0
            if groups:
                groups[-1] += waiting[:start]
            groups.append([*waiting[start:], segment])
        waiting = []
    groups[-1] += waiting
    return _units(groups, shared)


def _segments(nodes: Sequence[Node]) -> list[Segment]:
    """Return the nodes between places where a single tensor crosses. Each segment's last node gives that tensor."""
    last_use = {name: place for place, node in enumerate(nodes) for name in node.inputs}
    segments, start = [], 0
    reach = last_use.get("", 0)  # the last place that uses an earlier tensor than the one at this place
    for place, node in enumerate(nodes):
        if reach <= place:
            segments.append(nodes[start : place + 1])
            start = place + 1
        reach = max(reach, last_use.get(node.name, place))
    return segments


def _kernels(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if isinstance(node.layer, Kernel)]


def _words(name: str) -> Words:
    return tuple(name.split("_"))


def _words_shared(names: Iterable[Words]) -> int:
    """Return how many words all names begin with alike."""
    shared = 0
    for words in zip(*names, strict=False):
        if len(set(words)) > 1:
            break
        shared += 1
    return shared


def _of_one_block(group: Sequence[Segment], segment: Segment, shared: int) -> bool:
    """Return whether the last kernel of a unit and the first one of a segment are named after one block."""
    before = _kernels(node for one in group for node in one)[-1]
    return _related(before.name, _kernels(segment)[0].name, shared)


def _start(waiting: Sequence[Segment], group: Sequence[Segment], segment: Segment, shared: int) -> int:
    """Return the first of the segments without kernels that is of the next block, and not of the one before."""
    before, after = _kernels(node for one in group for node in one)[-1], _kernels(segment)[0]
    for place, one in enumerate(waiting):
        name = one[-1].name
        if _related(name, after.name, shared) and not _related(name, before.name, shared):
            return place
    return len(waiting)


def _related(first: str, second: str, shared: int) -> bool:
    """Return whether two layers are named after one block.

    They are if they begin with the same words, beyond those that all layers share. They are not if a number follows in
    one of them, as in `conv2d_1` and `block_2_expand`, or if they end in two numbers, as in `conv_dw_1` and
    `conv_dw_2`. Nor are they if they go on as two blocks do, as in `conv2_block1_1_conv` and `conv2_block2_1_conv`.
    """
    names = _words(first), _words(second)
    alike = _words_shared(names)
    if alike <= shared or (names[0][-1] != names[1][-1] and all(name[-1].isdigit() for name in names)):
        return False
    next_words = [name[alike] for name in names if len(name) > alike]
    if any(word.isdigit() for word in next_words):
        return False
    blocks = [re.sub(r"\d", "", word) for word in next_words]
    go_on = all(len(name) > alike + 1 for name in names)
    return not (go_on and blocks[0] == blocks[1])


def _units(groups: Sequence[Sequence[Segment]], shared: int) -> tuple[Unit, ...]:
    """Return the units. One whose name is not unique is named after a layer instead."""
    names = [_block_name(group, shared) or _layer_name(group) for group in groups]
    while len(set(names)) < len(names):
        counts = Counter(names)
        names = [name if counts[name] == 1 else _layer_name(group) for name, group in zip(names, groups, strict=True)]
    units, before = [], ""
    for name, group in zip(names, groups, strict=True):
        nodes = [node for segment in group for node in segment]
        units.append(Unit(name, Graph(tuple(_after(node, before) for node in nodes))))
        before = nodes[-1].name
    return tuple(units)


def _after(node: Node, before: str) -> Node:
    """Return a node that takes the output of the unit before as its unit's input."""
    return node._replace(inputs=tuple("" if name == before else name for name in node.inputs))


def _block_name(group: Sequence[Segment], shared: int) -> str:
    """Return the words that most kernels begin with, or else those that one kernel shares with most other layers."""
    nodes = [node for segment in group for node in segment]
    kernels = [_words(node.name) for node in _kernels(nodes)]
    beginnings = {words for name in kernels for words in _beginnings(name, shared)}
    for names, least in ((kernels, len(kernels) // 2 + 1), ([_words(node.name) for node in nodes], 2)):
        counts = Counter(words for name in names for words in _beginnings(name, shared) if words in beginnings)
        best = max(counts, key=lambda words: (counts[words], len(words)), default=())
        if counts[best] >= max(least, 2):
            return "_".join(best)
    return ""


def _beginnings(name: Words, shared: int) -> list[Words]:
    """Return what a block of the layer could be called: its first words, but not all of them but a number."""
    ends = range(shared + 1, min(len(name), MOST_WORDS) + 1)
    return [name[:end] for end in ends if not (end == len(name) - 1 and name[end].isdigit())]


def _layer_name(group: Sequence[Segment]) -> str:
    """Return the name of the only layer with a kernel, or of the layer that ends the last segment with kernels."""
    kernels = _kernels(node for segment in group for node in segment)
    ends = [segment[-1].name for segment in group if _kernels(segment)]
    return kernels[0].name if len(kernels) == 1 else ends[-1]
