"""Layers as operations, once for all frontends: what a framework calls a layer, built by `emit`."""
