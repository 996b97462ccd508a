"""Accuracy against LUTs of all families: `python bench/families.py [--quick] [kan forest ...]`.

Trains each family at several sizes on the Pythia jets (80,000 to train, 20,000 to test, seeded),
compiles, synthesises with Yosys, and writes a table, a plot and the rows as JSON. What was trained
or measured before is taken from the folder. Training alone needs NumPy and PyTorch only
(`--train-only`, or `python -m gatewright.train` with `--list` as its configurations), on a GPU with
`--device cuda`; `--from FOLDER` compiles what another machine trained.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # this folder's files are `bench.*`
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from bench.families_configs import CEILING, CONFIGS, Config
from gatewright.base import GatewrightError
from gatewright.train import graph_of, load, train_all

ROOT = Path(__file__).resolve().parents[1]
JETS = ROOT.parent / "shared" / "data" / "jets_pythia_100k.npz"
TRAINED = 80_000
CLOCK = "400 MHz"
TABLES = ("kan", "tables", "weightless")
"""Families that are trained here and end in integer tables."""

DOCS = ROOT / "docs"

PAGE = """# Accuracy for LUTs

Written by `python bench/families.py --publish`; do not edit. Small models of every family on the
Pythia jets (five classes, 16 features; 80,000 jets to train, 20,000 others to test, one seed),
trained, compiled and synthesised by that one command.

![Accuracy on the test jets against LUTs, a line a family](images/families.svg)

{table}
LUT and FF are *synthesised* (Yosys, `synth_xilinx -family xcup`, no DSP, flow `fast`); that the
cycles do for 400 MHz is *estimated* by the delay model. The circuit computes the scores of the
classes from codes of the features, which the host makes; of a weightless network the thermometer
is in the circuit. Accuracy is that of the circuit's integers on the test jets, which chose neither
an epoch nor a format. The float network has 64, 32 and 32 neurons.

{verdict}

Forests may lose 0.1 points of accuracy on the data they were quantized with, dense networks 0.5.
How the others are trained: [Train small models](guides/train-small-models.md). Sizes and schedules:
`bench/families_configs.py`.
"""

Row = dict[str, Any]
Tell = Callable[[str], None]


def jets(path: Path = JETS) -> tuple[np.ndarray, np.ndarray]:
    """Return features and classes of all jets."""
    with np.load(path, allow_pickle=False) as file:
        return file["x"], file["y"].astype(np.int64)


def chosen(families: Iterable[str], quick: bool) -> list[Config]:
    """Return configurations; with `quick` the first of each family, of a few epochs."""
    found: list[Config] = []
    for family in families:
        found += [_quick(CONFIGS[family][0])] if quick else CONFIGS[family]
    return found


def _quick(config: Config) -> Config:
    few = {"epochs": 3} if config["family"] in (*TABLES, "mlp") else {"rounds": 3}
    return {**config, "name": f"{config['name']}-quick", "params": {**config["params"], **few}}


def ceiling(folder: Path, x: np.ndarray, y: np.ndarray, tell: Tell) -> float:
    """Return the float network's accuracy on the test jets, trained once a folder."""
    from bench import families_models

    path = folder / "ceiling.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept["config"] == CEILING:
            return float(kept["accuracy"])
    tell(f"{CEILING['name']}: train")
    accuracy = families_models.ceiling(CEILING["params"], x, y, TRAINED)
    path.write_text(json.dumps({"config": CEILING, "accuracy": accuracy}))
    return accuracy


def measured(config: Config, folder: Path, x: np.ndarray, y: np.ndarray, tell: Tell) -> Row:
    """Return the row of a configuration, from the folder where it was measured before."""
    key = json.dumps(dict(config), sort_keys=True)
    source = folder / f"{config['name']}.npz"
    content = source.read_bytes() if config["family"] in TABLES else b""
    digest = hashlib.sha256(key.encode() + content).hexdigest()
    path = folder / f"{config['name']}.json"
    if path.is_file():
        row: Row = json.loads(path.read_text())
        if row.get("digest") == digest:
            return row
    tell(f"{config['name']}: compile and synthesise")
    try:
        row = _measure(config, source, x, y)
    except (GatewrightError, ImportError) as error:
        row = {"trouble": str(error)}
    row = {"name": config["name"], "family": config["family"], **row, "digest": digest}
    if "trouble" not in row:
        path.write_text(json.dumps(row, indent=1))
    return row


def _measure(config: Config, source: Path, x: np.ndarray, y: np.ndarray) -> Row:
    """Compile, compute the test jets, synthesise."""
    import gatewright as gw
    from bench import families_models

    held = slice(TRAINED, None)
    if config["family"] in TABLES:
        network = load(source)
        design = gw.compile(graph_of(network, network.family), clock=CLOCK)
        inputs, facts = x[held], dict(network.facts)
        if (design.predict_codes(inputs)["y"].value != network.predict_codes(inputs)).any():
            raise AssertionError(f"{source}: the design differs from the tables")
    else:
        build = getattr(families_models, config["family"])
        design, inputs, facts = build(config["params"], x, y, TRAINED, CLOCK)
    answers = np.asarray(design.predict(inputs))
    start = time.perf_counter()
    total = design.synthesize(flow="fast").total
    return {
        "accuracy": float((answers.argmax(1) == y[held]).mean()),
        "lut": total.lut,
        "ff": total.ff,
        "cycles": design.latency,
        "fmax": round(design.slowest_path.fmax),
        "synthesis s": round(time.perf_counter() - start, 1),
        "facts": facts,
    }


def table(rows: list[Row], ceiling: float) -> str:
    """Return the rows as a Markdown table, the smallest first, below the float network."""
    lines = [
        "| model | accuracy | below the float network | LUT | FF | cycles at 400 MHz | trained |",
        "|---|---|---|---|---|---|---|",
        f"| {CEILING['name']} | {ceiling:.2%} | | | | | {CEILING['params']['epochs']} epochs |",
    ]
    for row in sorted(rows, key=lambda r: r.get("lut", 1 << 40)):
        if "trouble" in row:
            lines.append(f"| {row['name']} | {row['trouble'].splitlines()[0]} | | | | | |")
            continue
        below = 100 * (ceiling - row["accuracy"])
        trained = row["facts"].get("trained", "")
        lines.append(
            f"| {row['name']} | {row['accuracy']:.2%} | {below:.2f} points | {row['lut']:,} | "
            f"{row['ff']:,} | {row['cycles']} | {trained} |"
        )
    return "\n".join(lines) + "\n"


def verdicts(rows: list[Row], ceiling: float) -> list[tuple[str, bool]]:
    """Return the targets and whether a model meets them."""
    targets = (("within 1 point under 1,500 LUT", 0.01, 1500),
               ("within 2.5 points under 400 LUT", 0.025, 400))  # fmt: skip
    return [
        (text, any(r.get("accuracy", 0) >= ceiling - gap and r["lut"] < most for r in rows
                   if "lut" in r))
        for text, gap, most in targets
    ]  # fmt: skip


def plot(rows: list[Row], ceiling: float, path: Path) -> None:
    """Draw accuracy against LUTs, a line a family, and the float network's accuracy."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "families", "svg.fonttype": "none", "font.size": 9.5}):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for number, family in enumerate(CONFIGS):
            points = sorted((r["lut"], 100 * r["accuracy"]) for r in rows
                            if r["family"] == family and "lut" in r)  # fmt: skip
            if points:
                marker = "osD^v"[number % 5]
                axes.plot(*zip(*points, strict=True), marker=marker, label=family, linewidth=1)
        axes.axhline(100 * ceiling, color="black", linewidth=1, linestyle="--")
        axes.annotate("float network", (0.01, 100 * ceiling), xycoords=("axes fraction", "data"),
                      xytext=(0, 3), textcoords="offset points")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("LUT, synthesised (Yosys, xcup, no DSP)")
        axes.set_ylabel("accuracy on 20,000 test jets, %")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def publish(rows: list[Row], ceiling: float, docs: Path) -> None:
    """Write the page of the documentation and its picture."""
    pictures = docs / "images"
    plot(rows, ceiling, pictures / "families.svg")
    verdict = "\n".join(
        f"- {text}: {'met' if met else 'missed'}" for text, met in verdicts(rows, ceiling)
    )
    page = PAGE.format(table=table(rows, ceiling), verdict=verdict)
    (docs / "families.md").write_text(page)


def main() -> int:
    """Train, measure, write; return 1 where a target is missed by a full run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("families", nargs="*", help=f"of {', '.join(CONFIGS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="the smallest of each, few epochs")
    parser.add_argument("--train-only", action="store_true", help="do not compile")
    parser.add_argument("--from", dest="source", type=Path, help="folder of what was trained")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "families")
    parser.add_argument("--data", type=Path, default=JETS)
    parser.add_argument("--device", help="of PyTorch, for training")
    parser.add_argument("--threads", type=int, help="of PyTorch, for training")
    parser.add_argument("--publish", action="store_true", help="write the documentation's page")
    parser.add_argument("--list", action="store_true", help="print configurations as JSON")
    given = parser.parse_args()
    unknown = sorted(set(given.families) - set(CONFIGS))
    if unknown:
        parser.error(f"no such family: {', '.join(unknown)}; there are {', '.join(CONFIGS)}")
    configs = chosen(given.families or CONFIGS, given.quick)
    own = [c for c in configs if c["family"] in TABLES]
    if given.list:
        print(json.dumps([_for_training(c, {}) for c in own], indent=1))
        return 0
    x, y = jets(given.data)
    folder = given.source or given.folder
    if given.source is None:
        more = {
            k: getattr(given, k) for k in ("device", "threads") if getattr(given, k) is not None
        }
        train_all([_for_training(c, more) for c in own], x[:TRAINED], y[:TRAINED], folder, _tell)
    if given.train_only:
        return 0
    missing = [c["name"] for c in own if not (folder / f"{c['name']}.npz").is_file()]
    for name in missing:
        _tell(f"{name}: not in {folder}, left out")
    rows = [measured(c, folder, x, y, _tell) for c in configs if c["name"] not in missing]
    best = ceiling(folder, x, y, _tell)
    (folder / "families.json").write_text(json.dumps(rows, indent=1))
    (folder / "families.md").write_text(table(rows, best))
    plot(rows, best, folder / "families.svg")
    print(table(rows, best))
    found = verdicts(rows, best)
    print("\n".join(f"{text}: {'met' if met else 'MISSED'}" for text, met in found))
    if given.publish:
        publish(rows, best, DOCS)
    print(f"written: {folder}/families.md, .svg, .json")
    return 0 if given.quick or all(met for _, met in found) else 1


def _for_training(config: Config, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `gatewright.train` takes."""
    params = {**config["params"], **more}
    return {"name": config["name"], "estimator": config["family"], "params": params}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
