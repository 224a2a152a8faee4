"""Strict YAML as plain values, where each value's place is known: its line, or its override."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from finetune import files
from finetune.errors import RecipeError
from finetune.paths import find_file
from finetune.recipe.checks import describe, did_you_mean
from finetune.recipe.section import Problem, dotted

At = tuple[Any, ...]
DEEPEST = 100
"""Values within values."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, to which a date is text: `name: 2018-04-02` is a name."""

    def add_indent(self, column: int) -> bool:
        """Begin a block within the others, unless there are too many."""
        if len(self.indents) > DEEPEST:
            raise RecursionError
        return bool(super().add_indent(column))

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803 (the library's name)
        """Open a bracket, unless too many are open: each takes the library time for all those around it."""
        if self.flow_level > DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document:
    """A recipe's file, with its overrides.

    Attributes:
        values: keys and values, plain.
        problems: keys that are written twice, and overrides that can't be applied.
    """

    def __init__(self, path: str, node: yaml.Node, values: dict[Any, Any], problems: list[Problem]) -> None:
        self.values, self.problems = values, problems
        self._path, self._node = path, node
        self._overridden: set[At] = set()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Document:
        """Reads a file, or the one of that name that comes with finetune.

        Raises:
            RecipeError: there is no such file, or it is no YAML of keys and values.
        """
        where = os.fspath(path)
        try:
            text = files.read(find_file(path), files.SMALL).decode("utf-8-sig")
        except FileNotFoundError:
            raise RecipeError(f"{where}: no such file; give a recipe, such as recipes/small.yaml") from None
        except IsADirectoryError:
            raise RecipeError(f"{where}: found a folder; give a recipe's file") from None
        except UnicodeDecodeError:
            raise RecipeError(f"{where}: found no text in UTF-8; give a recipe in YAML") from None
        except OSError as error:
            raise RecipeError(f"{where}: can't be read ({error.strerror})") from None
        try:
            node, values, duplicates = _parse(text)
        except _NotYAMLError as error:
            raise RecipeError(f"{where}:{error.line}: {error}") from None
        if node is None:
            raise RecipeError(f"{where}: the file is empty; a recipe gives checkpoint, output, data and stages")
        if not isinstance(values, dict):
            raise RecipeError(f"{where}: found {describe(values)}; a recipe is keys and values")
        return cls(where, node, values, duplicates)

    def override(self, key: str, value: object) -> None:
        """Put a value in place of the file's; what can't be done is added to `problems`.

        Args:
            key: dotted, a stage by its name or counted from 0: `stages.head.epochs`, `stages.1.epochs`.
            value: plain, or text that is read as YAML.
        """
        at = tuple(int(part) if part.isascii() and part.isdigit() else part for part in key.split("."))
        try:
            at = _stage_by_number(at, self.values.get("stages"))
            if at in self._overridden:
                raise ValueError("given twice, by name and by number; give it once")
            if isinstance(value, str):
                node, parsed, duplicates = _parse(value)
                if isinstance(node, yaml.ScalarNode) and value[node.end_mark.index :].strip():
                    raise ValueError(f"found {value!r}, where '#' starts a comment; put quotes around the value")
                self.problems += [Problem((*at, *problem.at), problem.text) for problem in duplicates]
                value = parsed
            self.values = _replaced(self.values, at, value)
        except (_NotYAMLError, ValueError) as error:
            self.problems.append(Problem(at, str(error)))
        self._overridden.add(at)

    def lines(self, problems: Iterable[Problem]) -> list[str]:
        """The problems, each with its place, the file's first and in its order."""
        placed = sorted(((self._line(problem.at), problem) for problem in problems), key=lambda pair: pair[0])
        return list(dict.fromkeys(f"{self._place(line, problem.at)}: {problem.text}" for line, problem in placed))

    def _line(self, at: At) -> float:
        """The line in the file that a problem is about; beyond the last where it is an override's."""
        if any(at[:length] in self._overridden for length in range(1, len(at) + 1)):
            return float("inf")
        node, line = self._node, self._node.start_mark.line + 1
        for part in at:
            children = dict(_children(node))
            if part not in children:
                made = any(key[: len(at)] == at for key in self._overridden)
                return float("inf") if made else line
            line, node = children[part]
        return line

    def _place(self, line: float, at: At) -> str:
        if line == float("inf"):
            return f"command line {'.'.join(map(str, at))}"
        return f"{self._path}:{line} {dotted(at).lstrip('.')}".rstrip()


class _NotYAMLError(Exception):
    """Text that is no YAML, or more YAML than a recipe needs."""

    def __init__(self, mark: Any, problem: str) -> None:
        super().__init__(problem)
        self.line = mark.line + 1 if mark else 1


def _parse(text: str) -> tuple[yaml.Node | None, Any, list[Problem]]:
    """A YAML document as its node, its plain value, and the keys that are written twice.

    Raises:
        _NotYAMLError: what was found, and on which line.
    """
    try:
        _refuse_tags(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None, []
        duplicates = list(_duplicates(node, (), set()))
        return node, loader.construct_document(node), duplicates
    except yaml.MarkedYAMLError as error:
        tab = "'\\t'" in (error.problem or "")
        problem = "found a tab; indent with spaces" if tab else f"not YAML: {error.problem}"
        raise _NotYAMLError(error.problem_mark, problem) from None
    except yaml.YAMLError as error:
        raise _NotYAMLError(None, f"not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise _NotYAMLError(None, "nested too deeply to be a recipe") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise _NotYAMLError(None, f"found a value that can't be read ({error})") from None


def _refuse_tags(text: str) -> None:
    """Refuses `!tags`, Python's among them: a recipe's values are plain."""
    for event in yaml.parse(text, _Loader):
        if tag := getattr(event, "tag", None):
            raise _NotYAMLError(event.start_mark, f"found the tag {tag!r}; write plain values")


def _children(node: yaml.Node) -> Iterator[tuple[Any, tuple[int, yaml.Node]]]:
    """Each key, or index, of a node with its line and value."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield index, (item.start_mark.line + 1, item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                merge = key.tag == "tag:yaml.org,2002:merge"
                name = key.value if merge else yaml.constructor.SafeConstructor().construct_object(key)
                yield name, (key.start_mark.line + 1, value)


def _duplicates(node: yaml.Node, at: At, visited: set[int]) -> Iterator[Problem]:
    if id(node) in visited:
        return
    visited.add(id(node))
    seen: dict[Any, int] = {}
    for key, (line, child) in _children(node):
        if key in seen:
            yield Problem((*at, key), f"written twice, first on line {seen[key]}; remove one")
        seen.setdefault(key, line)
        yield from _duplicates(child, (*at, key), visited)


def _stage_by_number(at: At, stages: object) -> At:
    """Return keys that name a stage, as it is called or as its folder is, with its number in the name's place.

    Raises:
        ValueError: no stage has that name, or several have.
    """
    if at[:1] != ("stages",) or len(at) < 2 or isinstance(at[1], int) or not isinstance(stages, list):
        return at
    names = [stage["name"] if isinstance(stage, dict) and "name" in stage else None for stage in stages]
    spelled = {str(at[1]), str(at[1]).replace(" ", "-")}
    found = [number for number, name in enumerate(names) if name and spelled & {str(name), str(name).replace(" ", "-")}]
    if len(found) != 1:
        what = f"{len(found)} stages have that name" if found else "no stage has that name"
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
        near = did_you_mean(at[1], [str(name) for name in names if name]) if not found else None
        raise ValueError(f"{what}; {f'{near} ' if near else ''}the stages are {known}")
    return ("stages", found[0], *at[2:])


def _replaced(holder: Any, at: At, value: object) -> Any:
    """A copy of nested values with one of them replaced; keys that are absent are made.

    Raises:
        ValueError: there is nothing at one of the keys, or something without keys.
    """
    if not at:
        return value
    key, *rest = at
    if isinstance(holder, list):
        if not isinstance(key, int) or key >= len(holder):
            raise ValueError(f"no item {key} in a list of {len(holder)}; count from 0")
        return [*holder[:key], _replaced(holder[key], tuple(rest), value), *holder[key + 1 :]]
    if holder is None or isinstance(holder, dict):
        holder = holder or {}
        return holder | {key: _replaced(holder.get(key), tuple(rest), value)}
    raise ValueError(f"found {describe(holder)} there, which has no key {key!r}; give the whole of it")
