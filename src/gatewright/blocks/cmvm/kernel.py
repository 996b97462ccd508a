"""The compiled entry: one attempt at a solution, from digits to adders.

One function with a fixed signature, so that a process that finds it in the cache on disk loads it
once and compiles nothing. Only this entry is cached: the functions it calls are compiled into it.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import config, njit

from gatewright.base.cache import cache_folder
from gatewright.blocks.cmvm.columns import digit_count, lay_out
from gatewright.blocks.cmvm.greedy import eliminate, remember
from gatewright.blocks.cmvm.layout import COUNT, LEVEL, NODE_COLUMNS, TERM_COLUMNS, WASTE, A, B
from gatewright.blocks.cmvm.pairs import new_table
from gatewright.blocks.cmvm.terms import Int, copy_rows, make_node, with_room
from gatewright.blocks.cmvm.trees import add_up, total_cost

SIGNATURE = "(int64[:,::1], int64[:,::1], int64[:,::1], int64, int64, float64[::1], int64, int64)"
PARTS = ("layout.py", "terms.py", "pairs.py", "columns.py", "greedy.py", "trees.py")


def _fingerprint() -> int:
    """Return a checksum of the sources that are compiled into the entry.

    Numba's cache looks at this file only. The checksum is a free variable of the entry, which is
    part of the cache's key: a change of any part compiles anew.
    """
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / part).read_bytes() for part in PARTS))


def _jit(function: Any) -> Any:
    """Compile with numba's cache on disk, in our own cache folder where numba finds none.

    Numba looks for a writable place beside the source or below the home folder, and raises where
    there is none, as for a package owned by root that runs without a home. Where nothing can be
    written the function is compiled in every process.
    """
    with suppress(RuntimeError):
        return njit(SIGNATURE, cache=True)(function)
    settings: Any = config  # its attributes are made at import
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(cache_folder() / "numba")
    try:
        return njit(SIGNATURE, cache=True)(function)
    except (RuntimeError, OSError):
        return njit(SIGNATURE)(function)
    finally:
        settings.CACHE_DIR = before


def _compiled(sources: int) -> Any:
    """Compile the entry, or load it from the cache on disk."""

    @_jit
    def attempt(
        leaves: Any, kept: Any, values: Any, n_columns: Int, depth: Int, weights: Any, seed: Int,
        share: Int,
    ) -> Any:  # fmt: skip
        """Solve one problem in one way.

        Args:
            leaves: The operand table's rows of the inputs, each its own linear form.
            kept: The node table's rows of sums that exist already, for the operands after those.
            values: Rows (operand, column, weight), sorted by column.
            n_columns: Number of outputs.
            depth: Greatest adder level allowed.
            weights: Weights of the score of a pattern (see `layout`).
            seed: Of the tie-break.
            share: 0: adder trees only. 1: eliminate common subexpressions first.

        Returns:
            (cost or -1 where a value would not fit, operand table, node table, outputs)
        """
        _ = sources
        n_leaf, made = leaves.shape[0], kept.shape[0]
        entries, head, items, starts, sizes, n_digits, powers = lay_out(
            values, n_columns, n_leaf + made
        )
        table = np.zeros((n_leaf + made + n_digits, leaves.shape[1]), np.int64)
        copy_rows(table, leaves, n_leaf)
        nodes = np.zeros((made + n_digits, NODE_COLUMNS), np.int64)
        forms = np.ones((max(4 * table.shape[0], 64), 2), np.int64)
        for leaf in range(n_leaf):
            forms[leaf, 0] = leaf
        used, capacity, form_end = np.zeros(1, np.int64), 64, n_leaf
        while capacity < 4 * nodes.shape[0]:
            capacity *= 2
        known = new_table(capacity)
        for k in range(made):
            forms = with_room(forms, form_end, table[kept[k, A], COUNT] + table[kept[k, B], COUNT])
            form_end = make_node(table, forms, nodes, n_leaf, n_leaf + k, kept[k], form_end)
            remember(nodes, n_leaf, n_leaf + k, known, used)
        room = np.full(n_columns, 2.0**depth)
        for row in range(values.shape[0]):
            taken = digit_count(values[row, 2]) * 2.0 ** table[values[row, 0], LEVEL]
            room[values[row, 1]] -= taken
        if share != 0:
            made, forms, form_end = eliminate(
                table, forms, nodes, n_leaf, made, form_end, known, used, entries,
                values.shape[0], head, items, starts, sizes, powers, room, weights, seed,
            )  # fmt: skip
        outputs = np.zeros((n_columns, TERM_COLUMNS), np.int64)
        if made >= 0:
            made = add_up(
                table, forms, nodes, n_leaf, made, form_end, known, used, entries, items, starts,
                sizes, room, np.int64(weights[WASTE]), outputs,
            )  # fmt: skip
        if made < 0:
            return np.int64(-1), table, nodes, outputs
        cost = total_cost(table, nodes, made)
        return cost, table[: n_leaf + made], nodes[:made], outputs

    return attempt


attempt = _compiled(_fingerprint())
