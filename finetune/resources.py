"""Where things lie: the recipes and data files that come with finetune, and what it keeps in the user's cache."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

SHIPPED = ("recipes", "data")
"""The folders that come with finetune: inside the package once installed, beside it in a clone."""


def find(path: str | os.PathLike[str]) -> Path:
    """The file that a path means: the path itself where it exists, else the one that was shipped.

    Args:
        path: `~` is expanded. Only a relative path that begins with `recipes/` or `data/` is looked
            for among the shipped files.

    Returns:
        The path of an existing file, or `path` itself where there is none.
    """
    asked = Path(os.path.expanduser(path))
    if asked.exists() or asked.is_absolute() or asked.parts[:1] not in {(name,) for name in SHIPPED}:
        return asked
    package = Path(str(importlib.resources.files("finetune")))
    return next((root / asked for root in (package, package.parent) if (root / asked).is_file()), asked)


def cache(name: str) -> Path:
    """A folder of the user's cache: `~/.cache/finetune/NAME`.

    `FINETUNE_CACHE` names the folder of `features`; the others then lie beside it.
    """
    features = os.environ.get("FINETUNE_CACHE") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/finetune/features"
    return Path(features).expanduser().with_name(name) if name != "features" else Path(features).expanduser()
