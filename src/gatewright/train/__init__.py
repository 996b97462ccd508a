"""Floor 8, below `frontends`, which reads its files: train small networks of tables.

Needs PyTorch to fit, and NumPy alone to use what was fitted.
"""

from gatewright.train.files import load, save
from gatewright.train.graph import graph_of
from gatewright.train.kan import KanClassifier, KanRegressor
from gatewright.train.network import Encoder, Network, TableLayer
from gatewright.train.run import train_all, train_one
from gatewright.train.tables import TableClassifier
from gatewright.train.weightless import WeightlessClassifier

__all__ = [
    "Encoder",
    "KanClassifier",
    "KanRegressor",
    "Network",
    "TableClassifier",
    "TableLayer",
    "WeightlessClassifier",
    "graph_of",
    "load",
    "save",
    "train_all",
    "train_one",
]
