"""Beats that keep their order: some are dropped, some repeated, constants put between them."""

from __future__ import annotations

import numpy as np

from gatewright.num import Intervals
from gatewright.streams.actor import Actor, Program
from gatewright.streams.reader import Walk
from gatewright.streams.sequence import Sequence
from gatewright.streams.shell import Shell, constants


def is_ordered(walk: Walk) -> bool:
    """Whether the beats of the input that a walk gives never go back."""
    given = walk.source[walk.inside]
    return bool((np.diff(given) >= 0).all())


def ordered(
    name: str,
    types: Intervals,
    walk: Walk,
    loops_in: tuple[int, ...],
    fill: Intervals | None = None,
    layer: str = "",
) -> Actor:
    """Return an actor that drops, repeats and inserts beats; it needs no memory.

    Args:
        name: of its module.
        types: of a beat's elements.
        walk: `is_ordered`.
        loops_in: lengths of nested loops that the input's beats are counted by.
        fill: constants (lo = hi) given where the walk is outside; zeros unless given.
        layer: the user's.
    """
    assert is_ordered(walk), "beats go back"
    takes, gives, inside = _steps(walk)
    note = f"gives {walk.steps} of {walk.beats} beats in their order"
    shell = Shell.begin(name, {"x": types}, ["y"], layer, note)
    m, data = shell.module, shell.data["x"]
    steps = len(takes)
    known = [loops for loops in (walk.loops, loops_in) if int(np.prod(loops)) == steps]
    sequence = Sequence.begin(
        m, known[0] if known else (steps,), np.stack([takes, gives, inside]).T
    )
    taking, giving, real = sequence.signals
    fired = shell.fire({"x": taking})
    sequence.close(fired)
    if (gives.astype(bool) & inside.astype(bool) & ~takes.astype(bool)).any():
        kept = [shell.register(s, m.and_(fired, taking)) for s in data]
        data = [m.select(taking, s, old) for s, old in zip(data, kept, strict=True)]
    others = constants(m, fill, types.size)
    given = [m.select(real, s, other) for s, other in zip(data, others, strict=True)]
    shell.finish({"y": (m.and_(fired, giving), given)})
    program = Program(takes.astype(bool)[:, None], gives.astype(bool)[:, None])
    return shell.actor(program, layer, note)


def _steps(walk: Walk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what each step takes and gives, and whether a beat of the input is given."""
    rows: list[tuple[int, int, int]] = []
    taken = 0
    for source, inside in zip(walk.source.tolist(), walk.inside.tolist(), strict=True):
        if not inside:
            # Nothing is given of an event that has not begun: its first beat is taken, and kept.
            begins = int(not rows)
            rows.append((begins, 1, 0))
            taken += begins
            continue
        rows += [(1, 0, 1)] * (source - taken)
        rows.append((int(source >= taken), 1, 1))
        taken = max(taken, source + 1)
    rows += [(1, 0, 1)] * (walk.beats - taken)
    takes, gives, inside = np.asarray(rows, np.int64).T
    return takes, gives, inside
