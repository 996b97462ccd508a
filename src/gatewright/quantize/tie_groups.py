"""Nodes that are one operation used several times: what holds for one of them holds for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gatewright.ir import Graph


def tie_groups(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return the names of the nodes of every tie that has several, in order of computation."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        if node.tie:
            found.setdefault(node.tie, []).append(node.name)
    return {tie: tuple(names) for tie, names in found.items() if len(names) > 1}


def joined(groups: Mapping[str, tuple[str, ...]], names: Collection[str]) -> frozenset[str]:
    """Return names, and with each those of its tie."""
    more = {n for members in groups.values() if set(members) & set(names) for n in members}
    return frozenset({*names, *more})


def join_wanted(
    groups: Mapping[str, tuple[str, ...]], known: Collection[str], wanted: dict[str, bool]
) -> None:
    """Where one of a tie is to get a format, let all get one; a table's address is one for all."""
    for members in groups.values():
        asked = [name for name in members if name in wanted]
        if asked:
            address = any(wanted[name] for name in asked)
            wanted.update((name, address) for name in members if name not in known)


def join_rounding(
    groups: Mapping[str, tuple[str, ...]], rounding: Mapping[str, str]
) -> dict[str, str]:
    """Return `Site.dense` by value; nothing where it is nothing for another of the tie."""
    result = dict(rounding)
    for members in groups.values():
        if not all(rounding.get(name) for name in members):
            result.update((name, "") for name in members if name in result)
    return result
