"""Floor 7: passes over graphs and circuits; the pipelines are visible lists."""
