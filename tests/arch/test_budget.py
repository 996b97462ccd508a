"""The search for a plan within limits, on designs that are only numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gatewright.arch.budget import Budget, ladder
from gatewright.arch.limits import Limits, Need
from gatewright.base import OptionError


def build(reuse, dsps):
    """Return a design of 1,000 LUTs in parallel; a DSP saves 20, folding divides."""
    factor = reuse or 1
    used = min(dsps, 30)
    need = Need(factor, 1000 // factor - 20 * used, used, 3 + (factor > 1) * factor + used // 10,
                factor)  # fmt: skip
    return SimpleNamespace(need=need)


def search(limits, reuse=None, most=64, by_clock=lambda _: "", make=build):
    return Budget(make, limits, reuse, most, True, 100, by_clock)


def refused(*arguments, **more):
    with pytest.raises(OptionError) as error:
        search(*arguments, **more).find()
    assert error.value.exit_status == 2
    return str(error.value)


def test_what_fits_at_once_is_the_only_one_tried():
    budget = search(Limits(1000, luts_asked=True))
    assert budget.find().need == Need(1, 1000, 0, 3, 1)
    assert [t.excess for t in budget.tried] == [{}]


def test_blocks_come_before_folding():
    assert search(Limits(700, 20, luts_asked=True)).find().need == Need(1, 600, 20, 5, 1)
    assert search(Limits(700, 0, luts_asked=True)).find().need == Need(2, 500, 0, 5, 2)


def test_the_first_reuse_factor_that_fits_is_taken():
    budget = search(Limits(130, luts_asked=True))
    assert budget.find().need.reuse == 8
    assert [t.need.reuse for t in budget.tried] == [1, 2, 3, 4, 6, 8]
    assert budget.tried[1].excess == {"lut": 370}


def test_blocks_are_left_out_where_they_take_too_long():
    assert search(Limits(5000, 20, cycles=3, luts_asked=True)).find().need.dsp == 0


def test_a_limit_of_the_device_folds_but_never_refuses():
    assert search(Limits(600)).find().need.reuse == 2
    budget = search(Limits(10), most=4)
    assert budget.find().need.reuse == 1
    assert budget.tried[0].excess == {"lut": 990}


def test_less_folding_where_the_latency_is_too_long():
    def by_size(reuse, dsps):
        return build(16 if reuse is None else reuse, dsps)

    budget = search(Limits(1000, cycles=9, luts_asked=True), make=by_size)
    assert budget.find().need.reuse == 6
    assert [t.need.reuse for t in budget.tried] == [16, 12, 8, 6]


def test_too_many_luts_says_what_would_help():
    assert refused(Limits(700, luts_asked=True), 1) == (
        "the design needs more LUTs than it may take\n"
        "  found:     1,000 LUT, 0 DSP, 3 cycles, II = 1 (estimated; parallel)\n"
        "  supported: max_luts = 700, 300 fewer\n"
        "  remedy:    with 19 DSPs it would fit (620 LUT, 19 DSP, 4 cycles, II = 1); with "
        "reuse = 2 it takes 500 LUT, 0 DSP, 5 cycles, II = 2; allow at least 1,000 LUTs"
    )


def test_nothing_fits_names_the_smallest():
    text = refused(Limits(10, luts_asked=True))
    assert (
        "15 LUT, 0 DSP, 67 cycles, II = 64 (estimated; reuse 64); the nearest of 12 plans" in text
    )
    assert "max_luts = 10, 5 fewer" in text
    assert "allow at least 15 LUTs" in text


def test_too_long_says_the_least_and_what_would_help():
    limits = Limits(5000, cycles=2, latency="10 ns")
    assert refused(limits, by_clock=lambda _: "at 150 MHz it takes 1 cycle, 6.667 ns") == (
        "the design takes longer than it may\n"
        "  found:     1,000 LUT, 0 DSP, 3 cycles, II = 1 (estimated; parallel)\n"
        "  supported: max_latency = 10 ns, 1 cycle less\n"
        "  remedy:    at 150 MHz it takes 1 cycle, 6.667 ns; the least latency at this clock is "
        "3 cycles"
    )
    text = refused(Limits(5000, cycles=8, latency="8 cycles"), 16)
    assert "max_latency = 8 cycles, 11 cycles less" in text
    assert "with reuse = 4 it takes 250 LUT, 0 DSP, 7 cycles, II = 4" in text


def test_a_folding_that_cannot_be_built_is_passed_over():
    def at_most_two(reuse, dsps):
        if reuse and reuse > 2:
            raise OptionError("the latency is too short for this circuit")
        return build(reuse, dsps)

    assert "500 LUT" in refused(Limits(300, luts_asked=True), make=at_most_two)


def test_the_plan_told_of_is_the_nearest_to_all_limits():
    text = refused(Limits(400, 10, cycles=5, latency="5 cycles", luts_asked=True))
    assert "300 LUT, 10 DSP, 6 cycles, II = 2 (estimated; reuse 2, 10 DSP)" in text
    assert "max_latency = 5 cycles, 1 cycle less" in text


def test_both_limits_at_once():
    text = refused(Limits(100, cycles=4, latency="4 cycles", luts_asked=True), 2)
    assert text.startswith("no design fits the limits\n")
    assert "max_luts = 100, 400 fewer; max_latency = 4 cycles, 1 cycle less" in text


@pytest.mark.parametrize(
    ("above", "most", "wanted"),
    [
        (1, 24, [2, 3, 4, 6, 8, 12, 16, 24]), (1, 1, []), (1, 2, [2]), (1, 5, [2, 3, 4, 5]),
        (8, 30, [12, 16, 24, 30]), (6, 6, []),
    ],
)  # fmt: skip
def test_reuse_factors_that_are_tried(above, most, wanted):
    assert list(ladder(above, most)) == wanted
