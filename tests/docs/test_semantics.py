"""The pages on semantics say what the code does: examples run, tables are computed anew."""

import doctest
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cell_examples import example
from tests.ops.cases.common import unary_cases

from gatewright.emit import emit_verilog
from gatewright.hw import Kind, check
from gatewright.hw import evaluate as evaluate_circuit
from gatewright.ir import evaluate
from gatewright.num import Fixed, FixedArray, Overflow, Rounding, overflow, round_shift
from gatewright.passes.lower import lower

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guides/add-an-operation.md"
NUMBERS, CELLS = DOCS / "semantics/numbers.md", DOCS / "semantics/cells.md"


def table(page: Path, first: str) -> list[list[str]]:
    """Return the rows of the table whose header's first cell is `first`."""
    lines = iter(page.read_text().splitlines())
    header = next(line for line in lines if line.startswith(f"| {first} |"))
    rows = [header, *list(_run(lines))[1:]]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


def _run(lines):
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def test_examples_of_the_page_on_numbers_run():
    found = doctest.testfile(str(NUMBERS), module_relative=False, verbose=False)
    assert found.attempted >= 8
    assert found.failed == 0


def test_every_rounding_mode_rounds_as_its_row_says():
    header, *rows = table(NUMBERS, "mode")
    quarters = np.array([round(4 * float(v)) for v in header[2:]])
    assert {row[0] for row in rows} == {mode.name for mode in Rounding}
    for name, meaning, *wanted in rows:
        assert meaning == Rounding[name].value
        assert round_shift(quarters, 2, Rounding[name]).tolist() == [int(v) for v in wanted]


def test_every_overflow_mode_does_as_its_row_says():
    text = NUMBERS.read_text()
    part = text[text.index("## Overflow modes") :]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (-?\d+) \| (-?\d+) \| (-?\d+) \|$", part, re.M)
    fmt = Fixed.parse("fixed<4,4>")
    assert {row[0] for row in rows} == {mode.name for mode in Overflow}
    for name, *wanted in rows:
        q = overflow(
            np.array([9, -9, -8]), np.array(fmt.signed), np.array(fmt.width), Overflow[name]
        )
        assert q.tolist() == [int(v) for v in wanted]


def test_every_cell_has_a_section():
    named = set(re.findall(r"^### `(\w+)`", CELLS.read_text(), re.M))
    assert named == {kind.name for kind in Kind}


def test_verilog_on_the_page_is_what_is_emitted():
    m = example()
    check(m)
    assert {Kind(kind) for kind in m.kind} == set(Kind)
    emitted = {line.strip() for text in emit_verilog(m).values() for line in text.splitlines()}
    blocks = re.findall(r"^```verilog\n(.*?)^```", CELLS.read_text(), re.M | re.S)
    quoted = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    assert len(blocks) == len(Kind)
    assert [line for line in quoted if line not in emitted] == []


def test_the_operation_of_the_guide_conforms(monkeypatch):
    """The guide's example is run as it stands, on the types that every operation is tried on."""
    (text,) = re.findall(r"^```python\n(\"\"\".*?)^```", GUIDE.read_text(), re.M | re.S)
    module = types.ModuleType("absolute")
    monkeypatch.setitem(sys.modules, "absolute", module)
    exec(compile(text, str(GUIDE), "exec"), module.__dict__)
    rng = np.random.default_rng(4)
    for case in unary_cases("absolute", {"plain": module.Absolute()}):
        graph, (kind,) = case.graph(), case.inputs
        q = np.concatenate(
            [[kind.lo, kind.hi], rng.integers(kind.lo, kind.hi + 1, (40, *kind.shape))]
        )
        wanted = evaluate(graph, {"x0": FixedArray(q, kind.frac)})["y"]
        np.testing.assert_array_equal(wanted.value, np.abs(np.ldexp(q, -kind.frac)))
        circuit = lower(graph)
        check(circuit)
        found = evaluate_circuit(circuit, {"valid_in": np.ones((len(q), 1), np.int64), "x0": q})[
            "y"
        ]
        grid = circuit.intervals(circuit.outputs["y"]).frac
        np.testing.assert_array_equal(np.ldexp(found, -grid), wanted.value)


PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_what_a_page_names_exists(page):
    """Links to pages, files given as paths of the repository, and names in the package."""
    text = page.read_text()
    root = DOCS.parent
    links = [t for t in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in t]
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = re.findall(r"`((?:src|tests|docs|scripts|bench)/[\w./-]+)`", text)
    assert [path for path in paths if not (root / path).exists()] == []
    names = set(re.findall(r"`(gatewright(?:\.\w+)+)`", text))
    assert [name for name in sorted(names) if not resolves(name)] == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    for candidate, rest in ((name, ""), (module, attribute)):
        try:
            __import__(candidate)
        except ImportError:
            continue
        return not rest or hasattr(sys.modules[candidate], rest)
    return False
