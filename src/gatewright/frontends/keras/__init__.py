"""Importer of Keras models, with QKeras and HGQ2 layers, that needs no framework."""

from gatewright.frontends.keras.listing import list_keras
from gatewright.frontends.keras.reader import read_keras

__all__ = ["list_keras", "read_keras"]
