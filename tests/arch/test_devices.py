"""Parts by name, and what is told of a name that is unknown."""

from __future__ import annotations

import pytest

from gatewright.arch import DEFAULT, DEVICES, find_device
from gatewright.base import OptionError


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
def test_every_device_is_found_by_name_and_part_in_any_case(device):
    for name in (device.name, device.part, device.name.upper(), device.part.upper()):
        assert find_device(name) is device


def test_devices_are_told_apart():
    names = [d.name for d in DEVICES] + [d.part for d in DEVICES]
    assert len(set(names)) == 2 * len(DEVICES)
    assert DEFAULT in names


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
def test_facts_are_plausible(device):
    assert device.part.lower().startswith(device.name)
    assert device.family in ("xc7", "xcu", "xcup", "ecp5")
    assert device.ff == (device.lut if device.family == "ecp5" else 2 * device.lut)
    assert min(device.dsp, device.bram) > 0
    delay = device.delay
    assert 0 < delay.carry_bit < min(delay.lut, delay.mux) < delay.carry + delay.lut
    assert 0 < delay.register <= delay.lut + delay.carry


def test_a_near_name_wrong():
    with pytest.raises(OptionError) as error:
        find_device("xcvu13")
    assert str(error.value) == (
        "the device is not known\n"
        "  found:     xcvu13\n"
        f"  supported: {', '.join(d.name for d in DEVICES)}\n"
        "  remedy:    did you mean xcvu13p?"
    )


@pytest.mark.parametrize("name", ["", "stratix10", "x" * 10**5, "\x1b[0m"])
def test_an_unknown_name_wrong(name):
    with pytest.raises(OptionError, match="list them with `gatewright devices`") as error:
        find_device(name)
    assert str(error.value).isprintable() or "\x1b" not in str(error.value)
    assert len(str(error.value)) < 1200
