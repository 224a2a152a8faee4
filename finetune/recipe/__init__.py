"""The recipe of a run: its sections, its YAML reader and writer, and its JSON schema."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
