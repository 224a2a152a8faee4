"""Imports with symbols of their own: Triton's LLVM and TensorFlow's end the program where they meet."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def own_symbols() -> Iterator[None]:
    """Let the libraries that are loaded within the context prefer their own symbols, where the system can."""
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        yield
    finally:
        sys.setdlopenflags(flags)
