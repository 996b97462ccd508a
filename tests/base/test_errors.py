"""What an error says, of which kind it is, and how several are gathered."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import (
    DataError,
    Diagnostics,
    FileError,
    FormatError,
    GatewrightError,
    ManyErrors,
    ModelError,
    OptionError,
    Place,
    ToolError,
    UnsupportedError,
    VerificationError,
)
from gatewright.base.errors import printable

KINDS = {
    DataError: ("data", 2),
    FileError: ("file", 2),
    FormatError: ("format", 2),
    GatewrightError: ("error", 2),
    ModelError: ("model", 2),
    OptionError: ("option", 2),
    ToolError: ("tool", 2),
    UnsupportedError: ("unsupported", 2),
    VerificationError: ("verification", 1),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_text_and_facts_of_every_kind(kind):
    name, status = KINDS[kind]
    error = kind(
        "the layer cannot be built",
        place=Place("net.onnx", "dense_1", "kernel"),
        found=(3, 4),
        supported="2 axes",
        remedy="reshape it",
    )
    assert str(error) == error.text() == (
        "the layer cannot be built\n"
        "  at:        net.onnx, layer 'dense_1', attribute 'kernel'\n"
        "  found:     (3, 4)\n"
        "  supported: 2 axes\n"
        "  remedy:    reshape it"
    )  # fmt: skip
    assert error.facts() == {
        "kind": name,
        "what": "the layer cannot be built",
        "place": "net.onnx, layer 'dense_1', attribute 'kernel'",
        "found": "(3, 4)",
        "supported": "2 axes",
        "remedy": "reshape it",
    }
    assert error.exit_status == status
    assert isinstance(error, GatewrightError)


def test_what_is_not_known_takes_no_line():
    assert str(OptionError("no")) == "no"
    assert str(OptionError("no", place=Place())) == "no"
    assert str(OptionError("no", place="net.onnx")) == "no\n  at:        net.onnx"
    assert OptionError("no").facts() == {"kind": "option", "what": "no"}
    assert str(OptionError("no", found=0)) == "no\n  found:     0"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(), ""),
        (Place("a.onnx"), "a.onnx"),
        (Place(layer="d"), "layer 'd'"),
        (Place("a.onnx", attribute="axis"), "a.onnx, attribute 'axis'"),
    ],
)
def test_a_place_names_what_is_known(place, text):
    assert str(place) == text


HOSTILE = "dense\x1b[31m\r\nremedy: rm -rf\u202e\x00\ud800"


def test_hostile_names_stay_on_their_line():
    error = ModelError("bad", place=Place(HOSTILE, HOSTILE, HOSTILE), found=HOSTILE)
    lines = str(error).splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[31m" in lines[1]
    str(error).encode("utf-8")  # a lone surrogate would stop a terminal


def test_long_text_is_cut():
    assert printable("x" * 500) == "x" * 119 + "…"
    assert printable("x" * 120) == "x" * 120
    found = str(ModelError("bad", found="y" * 10**6))
    assert len(found) < 500
    assert found.endswith("…")


@given(st.text())
def test_printable_text_is_one_printable_line(text):
    line = printable(text)
    assert line.isprintable()
    assert len(line) <= 120
    if text.isprintable() and len(text) <= 120:
        assert line == text


def test_many_errors_are_numbered_and_keep_the_gravest_status():
    errors = [OptionError("first", found=1), VerificationError("second")]
    many = ManyErrors(errors)
    assert str(many) == "[1/2] first\n  found:     1\n[2/2] second"
    assert many.exit_status == 2
    assert many.facts() == {"kind": "many", "what": "2 errors"}
    assert ManyErrors([VerificationError("a"), VerificationError("b")]).exit_status == 1


def test_diagnostics_raise_nothing_one_or_all():
    none = Diagnostics()
    none.raise_if_any()

    one = Diagnostics()
    with one.gather():
        raise OptionError("alone")
    with pytest.raises(OptionError, match="alone"):
        one.raise_if_any()

    several = Diagnostics()
    with several.gather():
        raise OptionError("first")
    with several.gather():
        raise ManyErrors([ModelError("second"), ModelError("third")])
    with several.gather():
        pass
    with pytest.raises(ManyErrors) as found:
        several.raise_if_any()
    assert [error.what for error in found.value.errors] == ["first", "second", "third"]


def test_diagnostics_gather_only_what_a_user_can_act_on():
    diagnostics = Diagnostics()
    with pytest.raises(ZeroDivisionError), diagnostics.gather():
        _ = 1 / 0
    assert diagnostics.errors == []


def test_errors_cross_processes():
    """A worker's error arrives whole."""
    many = ManyErrors([DataError("a", place="f", found=3), VerificationError("b")])
    for error in (many, many.errors[0]):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.facts()) == (str(error), error.facts())
        assert again.exit_status == error.exit_status
