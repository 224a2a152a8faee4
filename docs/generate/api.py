"""The pages of the Python interface: signatures and docstrings, read by griffe without importing the code."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

from docs.generate.areas import AREAS
from docs.generate.markdown import anchor, bullet, escape, one_line

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTH = 78
"""Maximum width of a signature's line."""
HIDDEN = {"rules", "model_config"}
"""Members of sections that pydantic and the reader of recipes call."""
INTRO = """# Python interface

finetune's packages give the names below. What is not listed may change without notice.
[How to use finetune from Python](../how-to/python.md) shows them at work.
"""


def pages() -> dict[str, str]:
    """Return the text of each page by its path in the folder of the reference."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # two parameters that share a line of Args
    package = griffe.load(
        "finetune", search_paths=[ROOT], allow_inspection=False, docstring_parser="google", resolve_aliases=True
    )
    made, index = {}, [INTRO]
    for page, area in AREAS.items():
        parts, entries = [f"# {area.title}\n\n{area.about}"], []
        for module, names in area.names.items():
            owner = package[module.partition(".")[2]] if "." in module else package
            for name in names or _public(owner):
                found = owner[name]
                found = found.final_target if found.is_alias else found
                parts.append("\n\n".join(_entry(name, found, "##")))
                about = escape(one_line(found.docstring.value if found.docstring else "")).partition(". ")[0]
                entries.append(f"- [`{name}`](api/{page}.md#{anchor(name)}): {about.rstrip('.:')}.")
        made[f"api/{page}.md"] = "\n\n".join(parts)
        index.append(f"## [{area.title}](api/{page}.md)\n\n" + "\n".join(entries))
    return {"api.md": "\n\n".join(index), **made}


def _public(package: griffe.Module) -> list[str]:
    """Return the names that a package's stub exports, in their order."""
    stub = Path(str(package.filepath)).with_suffix(".pyi").read_text(encoding="utf-8")
    words = [part.strip() for line in stub.splitlines() for part in line.split(",") if " as " in part]
    return [word.rpartition(" as ")[2] for word in words]


def _entry(name: str, found: Any, mark: str) -> Iterator[str]:
    """Yield the parts of one name's entry: a heading, its signature, its docstring, and its members."""
    yield f"{mark} `{name}`"
    yield f"```python\n{_signature(name, found)}\n```"
    attributes = dict(_attributes(found)) if found.is_class else {}
    yield from _docstring(found, attributes)
    if attributes:
        yield "Attributes:"
        yield "\n".join(bullet(*item) for item in attributes.items())
    if found.is_class:
        for method in found.members.values():
            if method.is_function and method.docstring and not _is_hidden(method):
                yield from _entry(f"{name.rpartition('.')[2]}.{method.name}", method, mark + "#")


def _is_hidden(member: Any) -> bool:
    return member.name.startswith("_") or member.name in HIDDEN


def _docstring(found: Any, attributes: dict[str, str]) -> Iterator[str]:
    """Yield the sections of a docstring. Its attributes are added to those of the class."""
    titles = {"parameters": "Args", "returns": "Returns", "yields": "Yields", "raises": "Raises"}
    for section in found.docstring.parsed if found.docstring else ():
        kind = section.kind.value
        if kind == "text":
            yield escape(section.value)
        elif kind == "attributes":
            noted = {item.name: item.description for item in section.value}
            own = dict(attributes)
            attributes.clear()
            attributes |= noted | own
        elif kind == "examples":
            yield "Examples:"
            for part, text in section.value:
                yield escape(text) if part.value == "text" else f"```python\n{text}\n```"
        elif kind in ("parameters", "raises"):
            yield f"{titles[kind]}:"
            yield "\n".join(
                bullet(getattr(item, "name", "") or str(item.annotation), item.description) for item in section.value
            )
        elif kind in titles:
            yield f"{titles[kind]}:"
            yield "\n".join(f"- {escape(item.description)}" for item in section.value)
        elif kind == "admonition":
            yield f"{section.title}:"
            yield escape(section.value.description)


def _attributes(found: Any) -> Iterator[tuple[str, str]]:
    """Yield the attributes and properties of a class that have a docstring of their own."""
    for member in found.members.values():
        if member.is_attribute and member.docstring and not _is_hidden(member):
            raised = [
                item for section in member.docstring.parsed if section.kind.value == "raises" for item in section.value
            ]
            told = [
                one_line(member.docstring.value),
                *(f"Raises {item.annotation}: {item.description}" for item in raised),
            ]
            yield member.name, " ".join(told)


def _signature(name: str, found: Any) -> str:
    """Return a name as it is written: a class or function with its parameters, another value with its type."""
    if found.is_attribute:
        annotation = f": {_type(found.annotation)}" if found.annotation is not None else ""
        value = f" = {found.value}" if found.value is not None and len(str(found.value)) < WIDTH // 2 else ""
        return f"{name}{annotation}{value}"
    if found.is_class:
        return _call(f"class {name}", _fields(found), "")
    returns = f" -> {_type(found.returns)}" if found.returns is not None else ""
    given = [parameter for parameter in found.parameters if parameter.name not in ("self", "cls")]
    return _call(name, list(_parameters(given)), returns)


def _fields(found: Any) -> list[str]:
    """Return the parameters of a class: those of its constructor, or the keys of a recipe's section."""
    if "__init__" not in found.members and any(base.name == "Section" for base in found.mro()):
        kinds = [kind for kind in reversed([found, *found.mro()]) if kind.name != "Section"]
        members = {name: member for kind in kinds for name, member in kind.members.items() if member.is_attribute}
        keys = [member for member in members.values() if member.annotation is not None and not _is_hidden(member)]
        keys = [key for key in keys if "ClassVar" not in str(key.annotation) and "property" not in key.labels]
        return [
            f"{key.name}: {_type(key.annotation)}" + (f" = {key.value}" if key.value is not None else "")
            for key in keys
        ]
    keys = {name: member for name, member in found.members.items() if member.is_attribute}
    given = [parameter for parameter in found.parameters if parameter.name != "self"]
    for parameter in given:
        if str(parameter.default) == "..." and parameter.name in keys:  # a default that stands at the key
            parameter.default = keys[parameter.name].value
    return list(_parameters(given))


def _parameters(given: list[Any]) -> Iterator[str]:
    """Yield parameters with their types and defaults, and a star before those that are given by name alone."""
    stars = {"variadic positional": "*", "variadic keyword": "**"}
    starred = False
    for parameter in given:
        kind = parameter.kind.value
        if kind == "keyword-only" and not starred:
            yield "*"
        starred = starred or kind in ("keyword-only", "variadic positional")
        annotation = f": {_type(parameter.annotation)}" if parameter.annotation is not None else ""
        default = f" = {parameter.default}" if parameter.default is not None and kind not in stars else ""
        yield f"{stars.get(kind, '')}{parameter.name}{annotation}{default}"


def _call(name: str, parameters: list[str], returns: str) -> str:
    """Return a signature on one line, or with one parameter per line if it is too long."""
    line = f"{name}({', '.join(parameters)}){returns}"
    if name.startswith("class ") and not parameters:
        return name
    return (
        line if len(line) <= WIDTH else "\n".join([f"{name}(", *(f"    {item}," for item in parameters), f"){returns}"])
    )


def _type(annotation: Any) -> str:
    """Return a type as text, without the metadata that pydantic reads. The page of recipes has the ranges."""
    annotated = isinstance(annotation, griffe.ExprSubscript) and str(annotation.left) == "Annotated"
    return str(annotation.slice.elements[0] if annotated else annotation)
