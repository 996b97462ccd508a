"""Floor 8: importers of models, a package for each framework; none imports the framework."""

from gatewright.frontends.custom import CustomHandler, CustomLayer
from gatewright.frontends.read import list_layers, read_model
from gatewright.frontends.scores import with_score

__all__ = ["CustomHandler", "CustomLayer", "list_layers", "read_model", "with_score"]
