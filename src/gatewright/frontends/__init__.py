"""Floor 8: importers of models, a package for each framework; none imports the framework."""

from gatewright.frontends.read import read_model

__all__ = ["read_model"]
