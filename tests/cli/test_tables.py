"""What people read: commands that can be copied, tables that fit a terminal, doubts."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from gatewright.cli import tables
from gatewright.cli.commands.compile import doubts


def printed(what, width=80):
    console = Console(width=width, highlight=False, markup=False, emoji=False, no_color=True)
    with console.capture() as capture:
        console.print(what, crop=False)
    return capture.get()


def facts(accuracy, lut=10, classes=5):
    return {
        "metrics": {"accuracy_model": accuracy},
        "model": {"outputs": [{"shape": [classes]}]},
        "estimate": {"lut": lut, "ff": 0, "dsp": 0},
    }


def test_commands_stay_on_one_line():
    long = "gatewright verify " + 12 * "some-folder/" + " --random 100000"
    text = printed(tables.next_steps((long, "why"), ("gatewright devices", "list")))
    assert f"  {long}  # why" in text
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize("there", [True, False])
def test_the_program_is_called_as_the_user_can(there, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "my env" / "gatewright")])
    monkeypatch.setattr(tables.shutil, "which", lambda name: "/usr/bin/" + name if there else None)
    assert tables.program() == ("gatewright" if there else "'my env/gatewright'")


def test_layers_fit_a_terminal():
    entry = {"lut": 123_456, "ff": 123_456, "dsp": 1_234, "bram": 1_234}
    synthesis = {"flow": "fast", "total": {**entry, "lutram": 0, "srl": 0}}
    layer = {"layer": "dense_1", "latency": 1, "estimate": entry, "synthesised": entry}
    whole = {"layers": [layer], "synthesis": synthesis, "estimate": entry}
    text = printed(tables.layers({**whole, "latency": {"cycles": 12}}))
    assert " dense_1 " in text
    assert text.count("123,456") == 8


def test_details_of_a_check_stand_below_the_table():
    check = {"subject": "simulated RTL", "method": "Verilator", "vectors": 5, "status": "exact",
             "seconds": 1.0, "detail": "latency 4 cycles\nmore"}  # fmt: skip
    text = printed(tables.ledger({"checks": [check]}), 140)
    assert " simulated RTL: latency 4 cycles\n" in text
    assert "more" not in text


def test_doubts():
    assert doubts(facts(0.66)) == []
    (guessing,) = doubts(facts(0.19))
    assert "right on only 19.00% of the calibration samples" in guessing
    assert "one of 5 classes" in guessing
    (empty,) = doubts({**facts(0.66, lut=0), "metrics": None})
    assert "no logic" in empty


def test_what_the_import_was_compared_with():
    ran = {"method": "ONNX (float64)", "vectors": 256}
    not_run = {"method": "onnxruntime", "vectors": 0}
    found = tables.imports({"source_checks": [ran, not_run], "import_check": None})
    assert found == [("import", "agrees with ONNX (float64)", "256 vectors")]
    ((_, told, _),) = tables.imports({"source_checks": [not_run], "import_check": None})
    assert told == "not compared"
