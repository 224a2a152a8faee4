"""Command that writes the generated pages of `docs/reference`, each only where it changes."""

from __future__ import annotations

from docs.generate.pages import FOLDER, pages


def main() -> None:
    """Write each page that differs from the existing one, and remove pages that are no longer generated."""
    made = pages()
    for name, text in made.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    for path in (FOLDER / "api").glob("*.md"):
        if f"api/{path.name}" not in made:
            path.unlink()
            print(f"removed docs/reference/api/{path.name}")


main()
