"""Reader of strict YAML that knows the place of each value: its line in the file, or its override."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import yaml

from finetune import files
from finetune.errors import Problem, RecipeError
from finetune.paths import find_file
from finetune.schema import Fault
from finetune.words import described, did_you_mean, dotted

At = tuple[Any, ...]
DEEPEST = 100
"""Largest nesting depth of values."""


class Content(NamedTuple):
    """The content of a file, in the words of messages.

    Attributes:
        noun: name of the file.
        example: example of such a file, with the words before it.
        empty: advice for an empty file.
        other: advice for a file with something else.
        lists: True if the file may also be a list.
    """

    noun: str
    example: str
    empty: str
    other: str
    lists: bool = False


RECIPE = Content(
    "a recipe",
    ", such as recipes/small.yaml",
    "a recipe gives checkpoint, output, data and stages",
    "a recipe is keys and values",
)
SETS = RECIPE._replace(empty="give a list of sets", other="give a list of sets, or measure: with a list", lists=True)
RANGES = Content(
    "a file of ranges",
    ", with a line such as stages.0.learning_rate: {low: 0.0001, high: 0.1, log: true}",
    "give each key to search with its range or its choices",
    "give keys of the recipe, each with its range or its choices",
)


class _Refused(Exception):
    """YAML or override that can't be used: what was found, advice, and the line."""

    def __init__(self, found: str, advice: str = "", mark: yaml.Mark | None = None) -> None:
        super().__init__(found, advice)
        self.line = mark.line + 1 if mark else 1


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without tags, with limited depth, and with dates as text: `name: 2018-04-02` is a name."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse a value that has a tag, such as Python's, or that is nested too deeply."""
        event = self.peek_event()
        if tag := getattr(event, "tag", None):
            raise _Refused(f"found the tag {tag!r}", "write plain values", event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _Refused("nested too deeply to be a recipe")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document:
    """Recipe file with its overrides. The path may also name a recipe that comes with finetune.

    Args:
        path: path of the file.
        content: content that the file should have.

    Attributes:
        values: plain keys and values, or a list.
        faults: keys that are written twice, and overrides that can't be applied.

    Raises:
        RecipeError: there is no such file, or it is not a YAML mapping.
    """

    def __init__(self, path: str | os.PathLike[str], content: Content = RECIPE) -> None:
        self._path = os.fspath(path)
        self._overridden: set[At] = set()
        try:
            text = files.read(find_file(path), files.SMALL).decode("utf-8-sig")
        except FileNotFoundError:
            raise self._unusable("no such file", f"give {content.noun}{content.example}") from None
        except IsADirectoryError:
            raise self._unusable("found a folder", f"give {content.noun}'s file") from None
        except UnicodeDecodeError:
            raise self._unusable("found no text in UTF-8", f"give {content.noun} in YAML") from None
        except OSError as error:
            raise self._unusable(f"can't be read ({error.strerror})") from None
        try:
            self._node, self.values, self.faults = _parse(text)
        except _Refused as error:
            raise RecipeError(Problem(f"{self._path}:{error.line}", *error.args)) from None
        if self._node is None:
            raise self._unusable("the file is empty", content.empty)
        if not isinstance(self.values, (dict, list) if content.lists else dict):
            raise self._unusable(f"found {described(self.values)}", content.other)

    def _unusable(self, found: str, advice: str = "") -> RecipeError:
        return RecipeError(Problem(self._path, found, advice))

    def numbered(self, key: str) -> str:
        """Return a dotted key with a stage's name replaced by its number; unchanged if no stage has the name."""
        try:
            return ".".join(map(str, _stage_by_number(_parts(key), self.values.get("stages"))))
        except _Refused:
            return key

    def override(self, key: str, value: object) -> None:
        """Replace a value of the file; an override that can't be applied is added to `faults`.

        Args:
            key: dotted key with a stage's name or its number from 0: `stages.head.epochs`, `stages.1.epochs`.
            value: plain value, or text that is read as YAML.
        """
        at = _parts(key)
        try:
            at = _stage_by_number(at, self.values.get("stages"))
            if at in self._overridden:
                raise _Refused("given twice, by name and by number", "give it once")
            if isinstance(value, str):
                node, parsed, twice = _parse(value)
                if isinstance(node, yaml.ScalarNode) and value[node.end_mark.index :].strip():
                    raise _Refused(f"found {value!r}, where '#' starts a comment", "put quotes around the value")
                self.faults += [fault._replace(keys=(*at, *fault.keys)) for fault in twice]
                value = parsed
            self.values = _replaced(self.values, at, value)
        except _Refused as error:
            self.faults.append(Fault(at, *error.args))
        self._overridden.add(at)

    def problems(self, faults: Iterable[Fault]) -> list[Problem]:
        """Return these faults and the document's own, each with its place.

        Problems of the file come first, in its order, then those of overrides.
        """
        lines = {fault: self._line(fault.keys) for fault in (*self.faults, *faults)}
        placed = sorted(lines.items(), key=lambda item: item[1])
        return [Problem(self._place(line, keys), *told) for (keys, *told), line in placed]

    def _line(self, at: At) -> float:
        """Return the line of the file that a problem is about; infinity if an override caused it."""
        if any(at[:length] in self._overridden for length in range(1, len(at) + 1)):
            return math.inf
        node, line = self._node, 1
        for part in at:
            children = dict(_children(node))
            if part not in children:
                made = any(key[: len(at)] == at for key in self._overridden)
                return math.inf if made else line
            line, node = children[part]
        return line

    def _place(self, line: float, at: At) -> str:
        if line == math.inf:
            return f"command line {'.'.join(map(str, at))}"
        return f"{self._path}:{line} {dotted(at).lstrip('.')}".rstrip()


def _parts(key: str) -> At:
    """Return the keys of a dotted key; digits are the number of an item."""
    return tuple(int(part) if part.isascii() and part.isdigit() else part for part in key.split("."))


def _parse(text: str) -> tuple[yaml.Node | None, Any, list[Fault]]:
    """Return the node of a YAML document, its plain value, and the keys that are written twice."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        twice = [*_twice(node, (), set())]  # before merges are resolved, because they add keys
        return node, node and loader.construct_document(node), twice
    except yaml.MarkedYAMLError as error:
        tab = "'\\t'" in (error.problem or "")
        told = ("found a tab", "indent with spaces") if tab else (f"not YAML: {error.problem}", "")
        raise _Refused(*told, error.problem_mark) from None
    except yaml.YAMLError as error:
        raise _Refused(f"not YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:  # a number with more digits than Python reads
        raise _Refused(f"found a value that can't be read ({error})") from None


def _children(node: yaml.Node | None) -> Iterator[tuple[Any, tuple[int, yaml.Node]]]:
    """Yield each key or index of a node, with its line and value."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((index, (item.start_mark.line + 1, item)) for index, item in enumerate(node.value))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                merge = key.tag == "tag:yaml.org,2002:merge"
                name = key.value if merge else yaml.constructor.SafeConstructor().construct_object(key)
                yield name, (key.start_mark.line + 1, value)


def _twice(node: yaml.Node | None, at: At, visited: set[int]) -> Iterator[Fault]:
    """Yield the keys that are written twice. An alias is visited once, because it may contain itself."""
    if id(node) in visited:
        return
    visited.add(id(node))
    seen: dict[Any, int] = {}
    for key, (line, child) in _children(node):
        if key in seen:
            yield Fault((*at, key), f"written twice, first on line {seen[key]}", "remove one")
        seen.setdefault(key, line)
        yield from _twice(child, (*at, key), visited)


def _stage_by_number(at: At, stages: object) -> At:
    """Return the keys with a stage's name, or its folder's name, replaced by its number."""
    if at[:1] != ("stages",) or len(at) < 2 or isinstance(at[1], int) or not isinstance(stages, list):
        return at
    names = [str(stage.get("name") or "") if isinstance(stage, dict) else "" for stage in stages]
    found = [number for number, name in enumerate(names) if name and _folder(name) == _folder(str(at[1]))]
    if len(found) != 1:
        near = did_you_mean(at[1], [name for name in names if name]) if not found else None
        known = "the stages are " + ", ".join(f"{number} ({name})" for number, name in enumerate(names))
        advice = " ".join(filter(None, [near, known]))
        raise _Refused(f"{len(found) or 'no'} stage{'s have' if found else ' has'} that name", advice)
    return ("stages", found[0], *at[2:])


def _folder(name: str) -> str:
    return name.replace(" ", "-")


def _replaced(holder: Any, at: At, value: object) -> Any:
    """Return a copy of nested values with one value replaced; missing keys are added."""
    if not at:
        return value
    key, *rest = at
    if isinstance(holder, list):
        if not isinstance(key, int) or key >= len(holder):
            raise _Refused(f"no item {key} in a list of {len(holder)}", "count from 0")
        return [*holder[:key], _replaced(holder[key], tuple(rest), value), *holder[key + 1 :]]
    if holder is None or isinstance(holder, dict):
        return (holder or {}) | {key: _replaced((holder or {}).get(key), tuple(rest), value)}
    raise _Refused(f"found {described(holder)} there, which has no key {key!r}", "give the whole of it")
