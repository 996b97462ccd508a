"""The address map of weights that can be written, as a file beside a design."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gatewright.base import OptionError
from gatewright.blocks.weight_ports import SLAVE

REGISTERS = "registers.json"
FORMAT = 1

RULES = {
    "word": "32 bits; its fields stand side by side, the first in the lowest bits, bits above are "
    "not looked at and read as zero",
    "address": "of bytes; word w of a row stands at address + 4 * w",
    "write": "acts at once: write between events, all four bytes",
    "read": "at any time, also while events are computed, which it does not disturb; what a row "
    "with readable = false holds cannot be read",
    "error": "SLVERR answers an address that no row has, a read of a row that is not readable, and "
    "a write without all strobes; neither changes anything, and the data are zero",
}


def register_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the text of the file: every run of words of one layout, and what the bus does.

    Args:
        rows: of `passes.streams.register_rows`.
    """
    head = {"format": FORMAT, "bus": f"AXI4-Lite, ports {SLAVE}_*, 32 bits", "rules": RULES}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    body = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return "\n".join(["{", *lines, ' "registers": [', body, " ]", "}", ""])


def loaded_is_not_saved(name: str, words: int) -> OptionError:
    """Return the error for saving a design whose weights are not those of its RTL at power-up."""
    return OptionError(
        "a design with weights that were loaded is not its RTL alone",
        place=name,
        found=f"{words:,} words to be written first",
        supported="the design as it was compiled",
        remedy="save that one, and keep the writes; or compile the model with the new weights",
    )
