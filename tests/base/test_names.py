"""Identifiers that every output language accepts, each given out once."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base import Namer, identifier
from gatewright.base.names import LONGEST, RESERVED

LEGAL = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dense_1", "dense_1"),
        ("model/dense:0", "model_dense_0"),
        ("__a__b__", "a_b"),
        ("1x1 conv", "n1x1_conv"),
        ("", "n"),
        ("层", "n"),
        ("module", "module_n"),
        ("Module", "Module_n"),
        ("a'; end", "a_end"),
        ("x" * 100, "x" * LONGEST),
        ("9" * 100, "n" + "9" * (LONGEST - 1)),
        ("a" * (LONGEST - 1) + "-b", "a" * (LONGEST - 1)),
    ],
)
def test_identifiers(name, wanted):
    assert identifier(name) == wanted


@given(st.text(), st.sampled_from(["n", "layer", "x"]))
def test_every_text_becomes_an_identifier(name, fallback):
    text = identifier(name, fallback)
    assert LEGAL.fullmatch(text)
    assert text.lower() not in RESERVED
    assert len(text) <= LONGEST + 1 + len(fallback)
    assert identifier(text, fallback) == text


# From each standard's list, words that a layer may well be called.
WORDS = [
    "then", "before", "global", "soft", "let", "restrict", "import", "matches", "expect", "port",
    "signal", "table", "rem", "library", "wire", "logic", "class", "template", "thread_local",
    "uwire", "strong", "generate",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_reserved_words_are_changed(word):
    for name in (word, word.upper(), word.capitalize()):
        assert identifier(name) == f"{name}_n"


@pytest.mark.parametrize("word", ["clk", "clock", "rst", "valid"])
def test_names_of_control_signals_are_changed(word):
    assert identifier(word) == f"{word}_n"


def test_names_are_unique_where_case_is_ignored():
    namer = Namer(["Top"])
    given_out = [namer.name(n) for n in ("top", "dense", "Dense", "dense_2", "DENSE", "d-e", "d_e")]
    assert given_out == ["top_2", "dense", "Dense_2", "dense_2_2", "DENSE_3", "d_e", "d_e_2"]


@given(st.lists(st.text(alphabet="aA1_2", max_size=4), max_size=30))
def test_given_names_never_meet(wanted):
    namer = Namer(["a", "a_2"])
    names = [namer.name(w).lower() for w in wanted]
    assert len({*names, "a", "a_2"}) == len(names) + 2


def test_many_equal_names_take_no_quadratic_time():
    """A hundred thousand times the same name: ten thousand million steps if counted from 1."""
    namer = Namer()
    names = {namer.name("relu") for _ in range(100_000)}
    assert len(names) == 100_000
    assert "relu_100000" in names
