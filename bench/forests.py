"""Measure one forest as its own page of the benchmarks does not: LUT, FF, cycles, accuracy, speed.

The model is XGBoost's: 10 rounds of 5 classes, depth 3, trained on 80,000 jets whose 16 features
were brought to 8 bits (least to greatest of the training jets), tested on 20,000 others.

    python -m bench.forests [--tolerance 0.0003] [--latency 2] [--rounds 10] [--depth 3]
                            [--ii 200] [--mhz 400] [--no-synthesis]
    python -m bench.forests --speed [--rounds 100] [--depth 6] [--no-synthesis]

The second times the compilation of a large forest (500 trees), stage by stage, cold and warm.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import gatewright as gw
from bench.forest_speed import measure
from bench.material import pythia_jets
from gatewright.passes.netlist import total_resources

CLASSES, WORD_BITS = 5, 4


def eight_bits(train: NDArray[Any], test: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return features as integers from 0 to 255."""
    low, high = train.min(0), train.max(0)
    train, test = (np.clip(np.rint((x - low) / (high - low) * 255), 0, 255) for x in (train, test))
    return train, test


def trained(x: NDArray[Any], y: NDArray[Any], rounds: int, depth: int) -> Path:
    """Return the file of a booster, trained once."""
    import xgboost

    version = xgboost.__version__
    path = Path(tempfile.gettempdir()) / f"bench_forest_{version}_{rounds}_{depth}.json"
    if not path.is_file():
        model = xgboost.XGBClassifier(
            n_estimators=rounds, max_depth=depth, random_state=0, tree_method="hist"
        )
        model.fit(x, y)
        model.save_model(path)
    return path


def rounded_scores(forest: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return scores with the leaves rounded as TreeLUT does (arXiv:2501.01511, section 3).

    One scale for all trees, by which the widest has words of 4 bits; each tree's least word is 0.
    """
    leaves = np.asarray(forest.leaves)[forest.reached(x)]  # (rows, trees, classes)
    low, high = leaves.min(axis=0), leaves.max(axis=0)
    scale = (2**WORD_BITS - 1) / (high - low).max()
    words = np.rint((leaves - low) * scale).sum(axis=1)
    return np.asarray(words + np.rint((low.sum(axis=0) + forest.base) * scale))


def main() -> None:
    """Train, compile, predict, synthesise, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tolerance", type=float, default=0.0003)
    parser.add_argument("--latency", type=int, default=2)
    parser.add_argument("--ii", type=int, help="cycles between events: trees are walked")
    parser.add_argument("--mhz", type=float, default=400)
    parser.add_argument("--rounds", type=int, help="by default 10, with --speed 100")
    parser.add_argument("--depth", type=int, help="by default 3, with --speed 6")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--calibration", type=int, default=80_000)
    parser.add_argument("--no-synthesis", action="store_true")
    o = parser.parse_args()
    train, test = pythia_jets()
    x, x_test = eight_bits(train.x, test.x)
    rounds, depth = o.rounds or (100 if o.speed else 10), o.depth or (6 if o.speed else 3)
    path = trained(x, train.y, rounds, depth)
    if o.speed:
        design = measure(path, x[: o.calibration], train.y[: o.calibration], x_test)
        answers = np.asarray(design.predict(x_test)).argmax(1)
    else:
        design, answers = _compiled(o, path, x, train.y, x_test)
    _accuracies(path, x_test, test.y, answers)
    if not o.no_synthesis:
        total = design.synthesize(nodsp=True).total
        print(f"Yosys xcup: {total.lut} LUT, {total.ff} FF, {total.carry} CARRY4, "
              f"{total.bram:g} BRAM")  # fmt: skip


def _compiled(
    o: argparse.Namespace, path: Path, x: NDArray[Any], y: NDArray[Any], tests: NDArray[Any]
) -> tuple[gw.Design, NDArray[Any]]:
    """Compile and predict, and print what that takes; return the design and the answers."""
    started = time.process_time()
    design = gw.compile(
        path,
        calibration=x[: o.calibration],
        labels=y[: o.calibration],
        tolerance=o.tolerance,
        clock=o.mhz,
        latency=None if o.ii else o.latency or None,
        ii=o.ii,
    )
    print(f"compiled in {time.process_time() - started:.1f} CPU s; {design.latency} cycles")
    need = total_resources(design.module, "xcup")
    print(f"an event every {design.interval} cycles; {need.lut:,.0f} LUT, {need.ff:,} FF, "
          f"{need.bram:g} BRAM (estimated)")  # fmt: skip
    design.predict(tests[:64])
    started = time.process_time()
    answers = np.asarray(design.predict(tests)).argmax(1)
    seconds = time.process_time() - started
    print(f"predict: {len(tests) / max(seconds, 1e-9):,.0f} samples per CPU second")
    return design, answers


def _accuracies(path: Path, x: NDArray[Any], y: NDArray[Any], answers: NDArray[Any]) -> None:
    from gatewright.frontends import read_model
    from gatewright.ops import Forest

    graph = read_model(path, None, None)
    (forest,) = (node.op for node in graph.nodes if isinstance(node.op, Forest))
    real = forest.real(x).argmax(1)
    treelut = rounded_scores(forest, x).argmax(1)
    for name, given in (("float", real), ("4-bit leaves", treelut), ("circuit", answers)):
        print(
            f"{name:12s} accuracy {(given == y).mean():.4f}, agreement {(given == real).mean():.4f}"
        )


if __name__ == "__main__":
    main()
