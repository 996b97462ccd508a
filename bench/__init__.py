"""Measure Gatewright against its own targets and against da4ml and alkaid."""
