"""Evidence with a result on LFW's pairs alone."""

from __future__ import annotations

from finetune.record import Evidence, HeldBack, TradeOff
from finetune.verification import VerificationResult


def evidence(
    lfw: VerificationResult | None = None, trade_off: TradeOff | None = None, held_back: HeldBack | None = None
) -> Evidence:
    return Evidence({"lfw": lfw} if lfw else {}, trade_off, held_back)
