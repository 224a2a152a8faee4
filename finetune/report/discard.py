"""Error-versus-discard characteristic as a table on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.verification import DISCARD_FMR, DiscardCurve


def discard_table(curve: DiscardCurve) -> Table:
    """Make the table of the error rates by share of discarded pairs."""
    caption = (
        "the pairs of the lowest quality are discarded; FNMR and FMR are at the\n"
        f"threshold of all pairs for an FMR of {DISCARD_FMR:g}, which is {curve.threshold:.4f};\n"
        "anew: at the threshold for it among the pairs that are left"
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for name in ("discarded", "pairs", "quality from", "FNMR (95 %)", "FMR", "FNMR anew"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in curve.points:
        interval = "none" if point.fnmr is None else f"{point.fnmr:.4f} ({point.low:.4f} to {point.high:.4f})"
        others = ("none" if rate is None else f"{rate:.4f}" for rate in (point.fmr, point.fnmr_anew))
        table.add_row(f"{point.share:.4g}", f"{point.n_pairs:,}", f"{point.score:.3f}", interval, *others)
    return table
