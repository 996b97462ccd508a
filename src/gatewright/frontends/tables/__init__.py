"""Networks of tables: KANELÉ, LogicNets, DWN, networks trained here, a format of our own.

A network is read as layers of `TableSum`, each followed by its saturating quantizer. Inputs are
codes, integers from a table's first entry on: what brings physical numbers to them (a batch
normalisation, a scale) stands in no file of tables and stays with the user.
"""

from gatewright.frontends.tables.dwn import read_dwn
from gatewright.frontends.tables.files import list_tables, read_tables
from gatewright.frontends.tables.kanele import kanele_graph
from gatewright.frontends.tables.logicnets import list_logicnets, read_logicnets
from gatewright.frontends.tables.trained import list_trained, read_trained

__all__ = [
    "kanele_graph",
    "list_logicnets",
    "list_tables",
    "list_trained",
    "read_dwn",
    "read_logicnets",
    "read_tables",
    "read_trained",
]
