"""Error-versus-discard characteristic as a table on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.verification import DISCARD_FMR, DiscardCurve


def discard_table(curve: DiscardCurve) -> Table:
    """Make the table of the error rates by share of discarded pairs."""
    caption = (
        f"pairs of the lowest quality are discarded; FNMR: at the threshold of an FMR of {DISCARD_FMR:g} among the\n"
        f"pairs that are left; brackets: 95 % interval; in use: at the threshold of all pairs, {curve.threshold:.4f}"
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in ("discarded", "pairs", "quality from", "FNMR (95 %)", "FNMR in use", "FMR in use"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in curve.points:
        interval = "none" if point.fnmr is None else f"{point.fnmr:.4f} ({point.low:.4f} to {point.high:.4f})"
        fixed = ("none" if rate is None else f"{rate:.4f}" for rate in (point.fixed_fnmr, point.fixed_fmr))
        table.add_row(f"{point.share:.4g}", f"{point.n_pairs:,}", f"{point.score:.3f}", interval, *fixed)
    return table
