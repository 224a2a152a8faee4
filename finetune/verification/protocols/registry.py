"""All verification protocols by name. A new protocol is one module and one line here."""

from __future__ import annotations

from typing import Any

from finetune.errors import Problem, UserError
from finetune.verification.protocols.fixed_far import FIXED_FAR
from finetune.verification.protocols.k_fold import K_FOLD
from finetune.verification.protocols.protocol import Option, VerificationProtocol
from finetune.words import listed

PROTOCOLS: dict[str, VerificationProtocol] = {protocol.name: protocol for protocol in (K_FOLD, FIXED_FAR)}


def all_options() -> dict[str, Option]:
    """Return the options of all protocols, by name."""
    return {option.name: option for protocol in PROTOCOLS.values() for option in protocol.options}


def by_name(name: str, **options: Any) -> VerificationProtocol:
    """Return the protocol with this name, with values for some of its options.

    Raises:
        UserError: there is no such protocol, or it lacks some of the options; one line per option.
    """
    if name not in PROTOCOLS:
        raise UserError(Problem("protocol", f"found {name!r}", f"choose one of {', '.join(PROTOCOLS)}"))
    having = {
        key: [other for other, protocol in PROTOCOLS.items() if key in {option.name for option in protocol.options}]
        for key in options
    }
    problems = [
        Problem(key, f"not an option of {name}", f"{listed(names, 'and')} has it" if names else "leave it out")
        for key, names in having.items()
        if name not in names
    ]
    if problems:
        raise UserError(*problems)
    return PROTOCOLS[name].given(**options)
