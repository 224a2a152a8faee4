"""Sheets of a page: pictures of many faces each, which a later page takes over where it shows the same faces."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from finetune.clustering.thumbnails import SHOWN, SIDE, sheet

EACH = 64
"""Largest number of faces of a sheet."""
ENDS = 256 // 32
"""A face ends its sheet if the first byte of its digest is below this: one face of 32."""
SHEET = re.compile(rb'class="sheet" data-of="([0-9a-f]{64})">([A-Za-z0-9+/=]+)<')


class Tiles:
    """Thumbnails in the order of a page, on sheets.

    Where a sheet ends depends on the faces themselves. A face that comes or goes changes its sheet and no later one.
    """

    def __init__(self) -> None:
        self._sheets: list[list[bytes]] = []
        self._open = False

    def add(self, jpeg: bytes) -> int:
        """Add a thumbnail, and return its number: that of its sheet times `EACH`, plus its place there."""
        if not self._open:
            self._sheets.append([])
        tiles = self._sheets[-1]
        tiles.append(jpeg)
        self._open = len(tiles) < EACH and hashlib.sha256(jpeg).digest()[0] >= ENDS
        return (len(self._sheets) - 1) * EACH + len(tiles) - 1

    def sheets(self, known: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the digest of each sheet and its JPEG in base64, which is made unless it is known."""
        found = []
        for tiles in self._sheets:
            lengths = [len(jpeg) for jpeg in tiles]
            digest = hashlib.sha256(repr((SIDE, SHOWN, lengths)).encode() + b"".join(tiles)).hexdigest()
            found.append((digest, known.get(digest) or base64.b64encode(sheet(tiles)).decode()))
        return found


def read_sheets(page: Path) -> dict[str, str]:
    """Return the sheets of a page, by their digest; none if there is no page."""
    try:
        return {digest.decode(): jpeg.decode() for digest, jpeg in SHEET.findall(page.read_bytes())}
    except OSError:
        return {}
