"""Where a node of an exported program stands in the user's model and code."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import Any

import torch

from gatewright.base import Place
from gatewright.frontends.torch.call import Where
from gatewright.frontends.torch.own import OWN

TORCH = str(Path(torch.__file__).parent)
LIBRARIES = (TORCH, sysconfig.get_paths()["stdlib"], str(Path(__file__).parents[2]))
"""Folders whose lines are not the user's."""

CONTAINERS = ("torch.nn.modules.container.",)
"""Modules of PyTorch that hold layers and are none."""


def users_line(trace: str) -> str:
    """Return the innermost line of a traceback that is the user's own: `tagger.py:12`."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', trace)
    own = [(f, n) for f, n in frames if not f.startswith(LIBRARIES) and "site-packages" not in f]
    return f"{Path(own[-1][0]).name}:{own[-1][1]}" if own else ""


def where(node: Any, source: str, tie: str = "") -> Where:
    """Return the layer that a node belongs to.

    A module of `torch.nn` is a layer; what a module of the user computes itself is a layer for each
    operation, named after the module and the operation.
    """
    stack = list((node.meta.get("nn_module_stack") or {}).items())
    line = users_line(node.meta.get("stack_trace") or "")
    at = f"{source}, {line}" if line else source
    if not stack:
        return Where(node.name, tie, Place(at, node.name))
    key, (path, _) = stack[-1]
    path = clean(str(path))
    if path and kind_of(node):
        call = re.search(r"@(\d+)$", str(key))
        layer = f"{path}@{call[1]}" if call else path
        return Where(layer, tie, Place(at, layer))
    layer = f"{path}.{node.name}" if path else node.name
    return Where(layer, tie, Place(at, layer))


def kind_of(node: Any) -> str:
    """Return the class of the layer of `torch.nn`, or with a handler, that a node belongs to."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return ""
    kind = stack[-1][1]
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    if str(node.target) == OWN:
        return name
    layer = name.startswith("torch.nn.") and not name.startswith(CONTAINERS)
    return name.rpartition(".")[2] if layer else ""


def clean(path: str) -> str:
    """Return a module's path as the user writes it, without what `torch.export` puts in front."""
    path = re.sub(r"^(L\[['\"]self['\"]\]|L__self__)\.?", "", path)
    return re.sub(r"\[['\"]?([^'\"\]]+)['\"]?\]", r".\1", path).replace("_modules.", "").strip(".")


def ties(nodes: list[Any], stored: dict[str, int]) -> dict[str, str]:
    """Return, for nodes that are one operation used several times, what ties them.

    Those are the operators that read the same parameters, and all of a module that is called
    several times.

    Args:
        nodes: of the program.
        stored: where the data of each parameter lie, by the name of its placeholder.
    """
    repeated = {
        clean(str(path))
        for node in nodes
        for key, (path, _) in (node.meta.get("nn_module_stack") or {}).items()
        if re.search(r"@\d+$", str(key)) and kind_of(node)
    }
    readers: dict[tuple[Any, ...], list[Any]] = {}
    for node in nodes:
        own: tuple[Any, ...] = tuple(
            stored[i.name] for i in node.all_input_nodes if i.name in stored
        )
        if str(node.target) == OWN:
            own = (node.args[1],)  # the module's key
        if node.op == "call_function" and own:
            readers.setdefault((str(node.target), *own), []).append(node)
    found = {}
    for same in readers.values():
        if len(same) > 1:
            found.update({node.name: same[0].name for node in same})
    for node in nodes:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = clean(str(stack[-1][0])) if stack else ""
        if path in repeated and kind_of(node):
            found.setdefault(node.name, path)
    return found
