"""Floor 8: importers of models, a package for each framework; none imports the framework."""

from gatewright.frontends.read import list_layers, read_model

__all__ = ["list_layers", "read_model"]
