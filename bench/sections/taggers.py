"""Two HGQ2 jet taggers, imported without HGQ2: the same integers, and proven RTL."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import gatewright as gw
from bench.context import Bench
from bench.material import HGQ_CLASSES, OPENML_CLASSES, ROOT, hgq_tagger, openml_jets
from bench.record import Row, Target
from gatewright.flow import Design

RECORDED = ROOT / "tests" / "data" / "keras"
"""What HGQ2 answered to random inputs, half of them off every grid; see `make_hgq.py` there."""

FRAMEWORKS = ("hgq", "keras", "tensorflow", "torch", "jax")
EQUAL = Target("no value differs", most=0)
ORACLE = """
import sys
import numpy as np, keras, hgq.layers
x = np.load(sys.argv[2])
model = keras.models.load_model(sys.argv[1], compile=False)
np.save(sys.argv[3], np.asarray(model.predict(x, verbose=0, batch_size=4096)))
from importlib.metadata import version
print("HGQ2", version("HGQ2"), "Keras", keras.__version__)
"""


def run(bench: Bench) -> list[Row]:
    """Measure both taggers."""
    return [row for letter in "ab" for row in _tagger(bench, letter)]


def _tagger(bench: Bench, letter: str) -> list[Row]:
    path, jets = hgq_tagger(letter), openml_jets()
    bench.tell(f"import and verify HGQ2 tagger {letter}")
    design = gw.compile(path, calibration=jets.x)
    rows = [_recorded(design, letter)]
    if not bench.quick:
        rows.append(_live(design, letter, jets.x, path))
    checks = design.verify(random=1000)
    rtl = [c for c in checks.checks if c.subject == "simulated RTL"]
    rows.append(
        Row(
            f"HGQ2 tagger {letter}: reference = netlist = emulator = simulated RTL",
            ", ".join(f"{c.subject} {c.status} on {c.vectors:,}" for c in checks.checks),
            Target("exact, the 512 jets among the vectors", least=len(jets.x)),
            min((c.vectors for c in rtl if c.status == "exact"), default=0),
            note="Verilator, random gaps in `valid`",
            facts=checks.facts(),
        )
    )
    answers = np.asarray(design.predict(jets.x))
    return [*rows, accuracy_row(answers, jets.y, letter)]


def _differing(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int((ours != theirs).sum()) if ours.shape == theirs.shape else theirs.size


def _recorded(design: Design, letter: str) -> Row:
    with np.load(RECORDED / f"tagger_{letter}_answers.npz", allow_pickle=False) as file:
        x, expected = file["x_input_layer"], file["y_0"]
    wrong = _differing(np.asarray(design.predict(x)), expected)
    loaded = [name for name in FRAMEWORKS if name in sys.modules]
    return Row(
        f"HGQ2 tagger {letter}: imported without HGQ2, integers as it recorded them",
        f"{wrong} of {expected.size:,} values differ ({len(x)} inputs), "
        f"{', '.join(loaded) or 'no framework'} loaded",
        EQUAL,
        float("nan") if loaded else wrong,
        note="the recorded answers in tests/data/keras; half of the inputs lie off every grid",
    )


def _live(design: Design, letter: str, jets: np.ndarray, path: Path) -> Row:
    """Ask HGQ2 itself where there is one."""
    what = f"HGQ2 tagger {letter}: integers as HGQ2 computes them now"
    python = os.environ.get("GATEWRIGHT_HGQ_PYTHON", sys.executable)
    if python == sys.executable and importlib.util.find_spec("hgq") is None:
        return Row(what, trouble="needs HGQ2: install gatewright[hgq], or name a Python that has "
                   "it in GATEWRIGHT_HGQ_PYTHON")  # fmt: skip
    random = np.random.default_rng(5).normal(0, 2, (10_000, 16))
    x = np.concatenate([jets, random]).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        into, out = Path(folder) / "x.npy", Path(folder) / "y.npy"
        np.save(into, x)
        done = subprocess.run(
            [python, "-c", ORACLE, str(path), str(into), str(out)],
            env={"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            return Row(what, trouble=f"HGQ2 does not run: {' '.join(last)}", broken=True)
        expected = np.load(out)
    wrong = _differing(np.asarray(design.predict(x)), expected)
    text = f"{wrong} of {expected.size:,} values differ ({len(x):,} inputs)"
    who = done.stdout.strip().splitlines()[-1]
    note = f"512 jets and 10,000 random inputs; {who}, in an environment of its own"
    return Row(what, text, EQUAL, wrong, note=note)


def class_of(answers: np.ndarray) -> np.ndarray:
    """Return the class in the data's numbering of a tagger's answers.

    The models have ten outputs of which five are classes; the others never win.
    """
    to_data = np.array([OPENML_CLASSES.index(name) for name in HGQ_CLASSES] + [-1] * 5)
    return to_data[answers.argmax(1)]


def accuracy_row(answers: np.ndarray, y: np.ndarray, letter: str) -> Row:
    """Return the firmware's accuracy on the field's jets."""
    accuracy = float((class_of(answers) == y).mean())
    reported = {"a": "75.8 %", "b": "76.8 %"}[letter]
    return Row(
        f"HGQ2 tagger {letter}: accuracy of the firmware",
        f"{accuracy:.2%} on {len(y)} jets",
        note=f"its authors report {reported} on the whole test set; one standard deviation of "
        f"{len(y)} jets is {np.sqrt(accuracy * (1 - accuracy) / len(y)) * 100:.1f} points. The "
        f"model's classes are ordered {' '.join(HGQ_CLASSES)}, the data's "
        f"{' '.join(OPENML_CLASSES)}",
        facts={"accuracy": accuracy},
    )
