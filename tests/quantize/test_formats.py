import pytest

from gatewright.base import FormatError, OptionError
from gatewright.num import Fixed
from gatewright.quantize import Formats

NAMES = {
    "weight": ["dense_1", "dense_2"],
    "bias": ["dense_1"],
    "activation": ["relu"],
    "input": ["x"],
}


def test_the_last_rule_that_meets_counts():
    rules = Formats((("*", "weight", "fixed<8,1>"), ("dense_[2-9]", "weight", "fixed<4,1>")))
    assert rules.find("weight", "dense_1") == Fixed.parse("fixed<8,1>")
    assert rules.find("weight", "", "dense_2") == Fixed.parse("fixed<4,1>")
    assert rules.find("bias", "dense_1") is None
    rules.check_used(NAMES)


def test_rule_that_meets_nothing():
    with pytest.raises(OptionError) as error:
        Formats((("conv*", "weight", "fixed<8,1>"),)).check_used(NAMES)
    text = str(error.value)
    assert "a format rule meets nothing: no weight of 'conv*' is to be quantized" in text
    assert "supported: dense_1, dense_2" in text
    assert "remedy:    name a layer of the list" in text


def test_unknown_role_and_unreadable_format():
    with pytest.raises(OptionError, match="names no role of a number") as error:
        Formats((("*", "weights", "fixed<8,1>"),)).parsed()
    assert "supported: weight, bias, activation, input" in str(error.value)
    with pytest.raises(FormatError, match="a number format cannot be read"):
        Formats((("*", "weight", "float16"),)).parsed()
