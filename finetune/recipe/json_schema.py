"""JSON schema of a recipe file, with which editors complete and check recipes."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from finetune.recipe.recipe import Recipe
from finetune.recipe.stage import BOUNDARIES
from finetune.schema import Section, plain


def recipe_schema() -> dict[str, Any]:
    """Return the schema of the files that `Recipe.load` reads, without the rules between keys."""
    schema = Recipe.model_json_schema(schema_generator=_Generator)
    del schema["properties"]["stages"]["default"]  # a file needs at least one stage
    schema["properties"]["stages"]["minItems"] = 1
    schema["required"].append("stages")
    return {"$schema": _Generator.schema_dialect, "title": "A recipe of finetune", **schema, **_boundaries()}


def _boundaries() -> dict[str, Any]:
    """Return the rule that boundaries are those of the named backbones. A network in a file has others."""
    names = {"enum": list(BOUNDARIES)}
    own = {"properties": {"backbone": {"pattern": r"(\.keras|network\.json)$"}}, "required": ["backbone"]}
    stage = {"properties": {"train_from": names, "train_to": names}}
    return {"if": own, "else": {"properties": {"stages": {"items": stage}}}}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, with descriptions from docstrings and defaults in a recipe's form."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return a section's schema. A key without a docstring, such as `name`, gets the section's docstring."""
        section: type[Section] = schema["cls"]
        made = super().model_schema(schema)
        made.pop("title")
        made["description"] = " ".join((section.__doc__ or "").partition("\n\n")[0].split())
        told: dict[str, str] = {}
        for kind in reversed(section.__mro__):
            told |= _docstrings(kind) if issubclass(kind, Section) else {}
        for key, part in made["properties"].items():
            part.setdefault("description", told.get(key, made["description"]))
            if part.get("default", ...) is None:
                del part["default"]
        return made

    def encode_default(self, default: Any) -> Any:
        """Return a default in a recipe's form."""
        return plain(default)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: titles would only repeat the keys."""
        return False


def _docstrings(section: type[Section]) -> dict[str, str]:
    """Return the docstrings below the keys of a section."""
    try:
        (tree,) = ast.parse(inspect.getsource(section)).body
    except OSError:  # a class made by `create_model` has no source
        return {}
    pairs = pairwise(getattr(tree, "body", ()))
    keys = [
        (key.target, text.value) for key, text in pairs if isinstance(key, ast.AnnAssign) and isinstance(text, ast.Expr)
    ]
    return {ast.unparse(key): " ".join(ast.literal_eval(text).split()) for key, text in keys}
