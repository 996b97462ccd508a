"""`gw.compile(..., max_error=...)`: formats for a requested output error, measured by verify."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import gatewright as gw
from gatewright.flow.bound import check_bound

MAIN = "import sys; from gatewright.cli import main; sys.exit(main())"
TEXT = "exp(-x0^2/3)*x1 + sin(x1)/(x2^2 + 1.5) - max(x3, 0.3)*cond(x2, x0)"


def real(x: np.ndarray) -> np.ndarray:
    a, b, c, d = x.T
    first = np.exp(-(a**2) / 3) * b + np.sin(b) / (c**2 + 1.5)
    return first - np.maximum(d, 0.3) * np.where(c > 0, a, 0)


@pytest.fixture(scope="module")
def design() -> gw.Design:
    return gw.compile(gw.Expressions(TEXT), max_error=0.02, input_format="fixed<8,3>")


def test_the_error_is_bounded_and_measured(design: gw.Design) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (4000, 4)) / 32
    assert np.abs(design.predict(x).ravel() - real(x)).max() <= 0.02
    verification = design.verify(random=200)
    (check,) = [c for c in verification.checks if c.subject == "output error"]
    assert check.status == "within"
    assert "0.02 asked for" in check.detail
    assert verification.verified
    facts = design.facts()
    assert facts["latency"]["status"] == "simulated"
    assert facts["quantization"]["derived"]["y"] <= 0.02
    terms = {term["text"]: term for term in facts["quantization"]["terms"]}
    assert terms["exp((-0.333333*square(x0)))"]["high"] == pytest.approx(1)
    assert (facts["source_checks"][0]["vectors"]) > 0


def test_a_saved_design_keeps_its_bound(design: gw.Design, tmp_path) -> None:
    design.save(tmp_path / "d")
    again = gw.load(tmp_path / "d")
    checks = again.verify(random=50, rtl=False).checks
    assert "output error" in {c.subject for c in checks}
    page = tmp_path / "report.html"
    again.report(page)
    assert "every output is within 0.02" in page.read_text()


def test_the_guides_example_is_compiled_within_its_bound() -> None:
    text = "2.5*exp(-x0^2/3) + sin(x1*x2)/(x3^2 + 1.5)"  # a sine over 20 turns
    made = gw.compile(gw.Expressions(text), max_error=1e-3, input_format="fixed<12,4>")
    x = np.random.default_rng(0).integers(-2048, 2048, (4000, 4)) / 256
    x = np.concatenate([x, np.full((1, 4), -8.0), np.full((1, 4), 2047 / 256)])
    a, b, c, d = x.T
    wanted = 2.5 * np.exp(-(a**2) / 3) + np.sin(b * c) / (d**2 + 1.5)
    assert np.abs(made.predict(x).ravel() - wanted).max() <= 1e-3


def test_a_violation_is_an_error(design: gw.Design) -> None:
    bound = dict(design.facts_of_model["bound"], derived={"y": 1e-4})
    with pytest.raises(gw.GatewrightError, match="farther from the real expression") as caught:
        check_bound(bound, design.graph, design.vectors(100))
    assert "at most 0.0001" in str(caught.value)


def test_ranges_of_the_data_are_those_of_the_inputs(tmp_path) -> None:
    data = np.random.default_rng(0).uniform(0.6, 3, (100, 2))
    given = gw.Expressions({"z": "log(pt)/eta"}, variables=("pt", "eta"))
    formats = {"pt": "ufixed<9,3>", "eta": "ufixed<7,2>"}
    design = gw.compile(given, max_error=0.05, input_format=formats, calibration=data)
    assert np.abs(design.predict(data).ravel() - np.log(data[:, 0]) / data[:, 1]).max() < 0.1
    design.verify(random=50, rtl=False)
    design.save(tmp_path / "d")
    np.testing.assert_array_equal(gw.load(tmp_path / "d").predict(data), design.predict(data))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_error": 0.1, "tolerance": 0.1}, "max_error and tolerance"),
        ({"max_error": 0.1, "weight_bits": 4}, "granularity, weight_bits or activation_bits"),
        ({"max_error": 0.1, "formats": {"y": "fixed<4,2>"}}, "max_error and formats"),
        ({"max_error": 0.1, "input_format": {"x9": "fixed<4,2>"}}, "an input that is not there"),
        ({"max_error": 0.1, "input_format": {"x0": "fixed<4,2>"}}, "has no number format"),
        ({"max_error": 0.1, "input_format": None}, "has no number format"),
        ({"input_format": {"x0": "fixed<4,2>"}}, "without max_error"),
        ({"max_error": -1}, "the output error is impossible"),
    ],
)
def test_options_that_do_not_go_together(options: dict, said: str) -> None:
    given = {"input_format": "fixed<8,3>", **options}
    with pytest.raises(gw.GatewrightError) as caught:
        gw.compile(gw.Expressions("x0*x1"), **given)
    assert said in str(caught.value)


@pytest.mark.slow
def test_on_streams() -> None:
    given = gw.Expressions("x0*sin(x1)")
    design = gw.compile(given, max_error=0.05, input_format="fixed<6,3>", ports="stream")
    checks = design.verify(random=20, rtl=False).checks
    assert "within" in {c.status for c in checks}


def test_command_line(tmp_path) -> None:
    path = tmp_path / "mass.expr"
    path.write_text("variables: pt, eta\nm = pt*exp(-eta/2)\nn = max(pt, eta)\n")
    words = [sys.executable, "-c", MAIN, "compile", str(path), "-o", str(tmp_path / "d"),
             "--max-error", "0.01", "--input-format", "pt=ufixed<8,3>,eta=fixed<8,2>",
             "--json"]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["quantization"]["max_error"] == 0.01
    assert "--max-error 0.01" in facts["command"]
    words[words.index("--input-format") + 1] = "pt=8"
    bad = subprocess.run([*words, "--force"], capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "formats of inputs cannot be read" in bad.stdout + bad.stderr
