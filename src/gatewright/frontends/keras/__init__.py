"""Importer of Keras models, with QKeras and HGQ2 layers, that needs no framework."""

from gatewright.frontends.keras.reader import read_keras

__all__ = ["read_keras"]
