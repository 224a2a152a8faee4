"""The page of recipes: every key with its meaning, type and default, from the JSON schema that editors use."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from docs.generate.markdown import escape, link
from finetune.recipe import recipe_schema
from finetune.words import listed

INTRO = """# Keys of a recipe

A recipe is a YAML file. This page lists every key with its meaning, its type and its default. A key without a default
is required or optional, as its entry says.

On the command line, `key=value` takes the place of a recipe's value. Write the keys with dots between them, such as
`data.train=~/faces`. The keys of a stage follow the stage's name: `stages.head.epochs=3`.

`finetune check RECIPE` reports everything that is wrong with a recipe. Editors complete the keys by the JSON schema
that `finetune schema` prints.
"""
Schema = dict[str, Any]


def page() -> str:
    """Return the page."""
    schema = _schema()
    sections = _section("Keys of the file", schema, "", "")
    return INTRO + "\n" + "\n\n".join(sections)


def _section(title: str, schema: Schema, path: str, tag: str) -> Iterator[str]:
    """Yield the section of one mapping's keys, then those of the mappings within it."""
    yield f"## {title}"
    yield escape(schema["description"])
    properties = schema["properties"]
    for key, part in properties.items():
        if "const" in part and part.get("default", part["const"]) == part["const"] and key in ("name", "schedule"):
            yield f"Choose it by `{key}: {part['const']}`."
            continue
        name = f"`{path}{key}`" + (f" ({tag})" if tag else "")
        told, _, default = part["description"].partition(" Default: ")
        yield f"### {name}\n\n{escape(told)}"
        yield "\n".join(_facts(key, part, schema, f"{path}{key}", default))
    for key, part in properties.items():
        inner = "" if key == "stages" else f"{path}{key}"
        for reference in _references(part):
            found = _named(reference)
            title, tag = _title(inner, found, alone=len(_references(part)) == 1)
            yield from _section(title, found, f"{inner}." if inner else "", tag)


def _facts(key: str, part: Schema, schema: Schema, path: str, default: str) -> Iterator[str]:
    """Yield the type, and whether the key is required, or its default."""
    inner = "" if key == "stages" else path
    titles = [_title(inner, found, alone=len(_references(part)) == 1)[0] for found in map(_named, _references(part))]
    mapping = [f"a mapping, see {listed([link(title) for title in titles], 'or')}"] if titles else []
    yield f"- Type: {'; or '.join([*_types(part), *mapping]).replace('a list; or', 'a list, each')}"
    if key in schema.get("required", ()):
        yield "- Required"
    elif "default" in part:
        yield f"- Default: `{_flow(part['default'])}`"
    else:
        yield f"- Default: {default.rstrip('.')}" if default else "- Optional"


def _types(part: Schema) -> Iterator[str]:
    """Yield the words for what a key takes, except for mappings that have their own section."""
    if "anyOf" in part:
        for option in part["anyOf"]:
            yield from _types(option)
    elif "enum" in part:
        yield listed(_without_rows(part["enum"]), "or")
    elif "const" in part:
        if isinstance(part["const"], str):  # `false` is what YAML makes of `off`
            yield f"`{part['const']}`"
    elif part.get("type") == "array" and part.get("maxItems") == 2:
        yield f"two numbers, the lower one first, each {_number(part['items'])}"
    elif part.get("type") == "array":
        yield "a list"
    elif part.get("type") == "object":
        rates = {int(epoch): rate for epoch, rate in part["examples"][0].items()}
        yield f"a mapping of epochs to rates, such as `{_flow(rates)}`"
    elif part.get("type") == "string":
        yield "a path" if "minLength" in part else "text"
    elif part.get("type") == "boolean":
        yield "`true` or `false`"
    elif part.get("type") in ("integer", "number"):
        yield _number(part)


def _without_rows(values: list[str]) -> list[str]:
    """Return words as code. Many words that differ only in a last number are cut to the first and the last."""
    rows: dict[str, list[str]] = {}
    for value in values:
        rows.setdefault(value.rstrip("0123456789"), []).append(value)
    long = {stem: row for stem, row in rows.items() if stem.endswith("_") and len(row) > 4}
    told = {
        f"`{long[stem][0]}` to `{long[stem][-1]}`"
        if (stem := value.rstrip("0123456789")) in long
        else f"`{value}`": None
        for value in values
    }
    return list(told)


def _flow(value: object) -> str:
    """Return a value as a recipe's line holds it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _number(part: Schema) -> str:
    """Return the words for a number and its range."""
    words = "a whole number" if part["type"] == "integer" else "a number"
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    ends = [f"{word} {_figure(part[key])}" for key, word in limits.items() if key in part]
    return f"{words} {', '.join(ends)}".strip().replace(", to", " to")


def _figure(value: float) -> str:
    return "π" if round(value, 4) == 3.1416 else f"{value:,}"


def _references(part: Schema) -> list[str]:
    """Return the names of the mappings that a key may hold and that have a section."""
    options = [part, *part.get("anyOf", ())]
    parts = [found for option in options for found in (option, option.get("items", {}))]
    return [found["$ref"].rpartition("/")[2] for found in parts if "$ref" in found]


def _named(reference: str) -> Schema:
    found: Schema = _schema()["$defs"][reference]
    return found


@cache
def _schema() -> Schema:
    return recipe_schema()


def _title(path: str, found: Schema, *, alone: bool) -> tuple[str, str]:
    """Return a section's title, and a tag that says which of several kinds its keys belong to."""
    if not path:
        return "Keys of a stage", ""
    if alone:
        return f"Keys of `{path}`", ""
    first, part = next(iter(found["properties"].items()))
    tag = part.get("const", first)
    return f"Keys of `{path}` ({tag})", tag
