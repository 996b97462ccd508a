"""Floor 11: real data in small samples, and models trained on them."""

from gatewright.datasets.jets import JetSample, load_jets, tagger_path

__all__ = ["JetSample", "load_jets", "tagger_path"]
