"""Find the cells that stand on a loop through a register, and an order of computation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gatewright.hw import Kind, Module


def in_order(m: Module) -> Iterable[Sequence[int]]:
    """Return the cells in order of dependence; those on one loop stand together.

    What a register reads comes before it, too, unless it is on a loop with it. Strongly connected
    components by Tarjan's method (1972), without recursion; they come out in the wanted order.
    """
    if not m.holds(Kind.REG):
        return zip(range(len(m)))  # one-tuples
    return [sorted(members) for members in _components(m)]


def _components(m: Module) -> list[list[int]]:
    size = len(m)
    order, low = [-1] * size, [0] * size
    on_stack = [False] * size
    stack: list[int] = []
    components: list[list[int]] = []
    counter = 0
    for root in range(size):
        if order[root] >= 0:
            continue
        work: list[tuple[int, list[int]]] = []
        order[root] = low[root] = counter
        counter += 1
        stack.append(root)
        on_stack[root] = True
        work.append((root, list(m.operands(root))))
        while work:
            s, todo = work[-1]
            if todo:
                o = todo.pop()
                if order[o] < 0:
                    order[o] = low[o] = counter
                    counter += 1
                    stack.append(o)
                    on_stack[o] = True
                    work.append((o, list(m.operands(o))))
                elif on_stack[o]:
                    low[s] = min(low[s], order[o])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[s])
            if low[s] == order[s]:
                members = []
                while True:
                    o = stack.pop()
                    on_stack[o] = False
                    members.append(o)
                    if o == s:
                        break
                components.append(members)
    return components
