"""Floor 11: the commands. Parse, call the flow, show what it says; nothing is decided here."""

from gatewright.cli.app import main

__all__ = ["main"]
