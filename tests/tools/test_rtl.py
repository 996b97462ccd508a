import pytest

from gatewright.base.errors import OptionError
from gatewright.tools.rtl import RtlDesign, RtlPort

X, Y = RtlPort("x", 65, True), RtlPort("y", 1, False)


def test_ports_are_measured_in_words():
    wide = RtlPort("z", 128, True)
    made = RtlDesign("top", {"top.v": ""}, (X, wide), (Y,))
    assert (X.words, wide.words, made.input_words, made.output_words) == (2, 2, 4, 1)


def test_digest_sees_every_part():
    base = RtlDesign("top", {"a.v": "x", "b.v": "y"}, (X,), (Y,))
    others = [
        RtlDesign("tops", base.sources, (X,), (Y,)),
        RtlDesign("top", {"a.v": "xy", "b.v": ""}, (X,), (Y,)),
        RtlDesign("top", {"b.v": "y", "a.v": "x"}, (X,), (Y,)),
        RtlDesign("top", base.sources, (RtlPort("x", 64, True),), (Y,)),
        RtlDesign("top", base.sources, (), (Y,)),
        RtlDesign("top", base.sources, (X,), (Y,), ("a",)),
    ]
    assert len({base.digest(), *(other.digest() for other in others)}) == 7


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("top; x", {"t.v": ""}, (X,), (Y,)), "not a plain Verilog identifier"),
        (("top", {"t.v": ""}, (RtlPort("a b", 1, True),), (Y,)), "not a plain Verilog identifier"),
        (("top", {"t.v": ""}, (RtlPort("clk", 1, True),), (Y,)), "two ports"),
        (("top", {"t.v": ""}, (X, X), (Y,)), "two ports"),
        (("top", {"t.v": ""}, (RtlPort("x", 0, True),), (Y,)), "no bits or the wrong direction"),
        (("top", {"t.v": ""}, (Y,), ()), "no bits or the wrong direction"),
        (("top", {"../t.v": ""}, (X,), (Y,)), "not a plain relative file name"),
        (("top", {"/t.v": ""}, (X,), (Y,)), "not a plain relative file name"),
        (("top", {"a b.v": ""}, (X,), (Y,)), "not a plain relative file name"),
        (("top", {"-f.v": ""}, (X,), (Y,)), "not a plain relative file name"),
        (("top", {"t.hex": ""}, (X,), (Y,)), "no Verilog source"),
        (("top", {"top.v": ""}, (X,), (Y,), ("a",)), "no file of its name"),
        (("top", {"top.v": ""}, (X,), (Y,), ("top",)), "is the top"),
    ],
)
def test_impossible_designs_wrong(arguments, text):
    with pytest.raises(OptionError, match=text):
        RtlDesign(*arguments)
