"""The commands, a file for each; they import what they need when they run."""

from gatewright.cli.commands.compile import compile
from gatewright.cli.commands.demo import demo
from gatewright.cli.commands.devices import devices
from gatewright.cli.commands.inspect import inspect
from gatewright.cli.commands.predict import predict
from gatewright.cli.commands.report import report
from gatewright.cli.commands.synth import synth
from gatewright.cli.commands.verify import verify

COMMANDS = (inspect, compile, predict, verify, synth, report, devices, demo)
"""Every command, in the order in which `--help` shows them."""

__all__ = ["COMMANDS"]
