"""The circuit of a forest: a module of questions, one for each kind of tree, one for each sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gatewright.blocks.arith import signed_sum
from gatewright.blocks.forest.ask import Answers, ask
from gatewright.blocks.forest.describe import tree_size, tree_text
from gatewright.blocks.forest.names import Names, number
from gatewright.blocks.forest.prune import Tree, leaves_of
from gatewright.blocks.forest.split import Split
from gatewright.blocks.forest.tree import DIRECT, Grown, build_tree, tree_words
from gatewright.hw import Module
from gatewright.num import Ints

Term = tuple[str, int]
"""A tree's name and its word."""


def forest(
    m: Module,
    x: Sequence[int],
    splits: Sequence[Split],
    trees: Sequence[Tree],
    words: Ints,
    base: Ints,
    frac: int = 0,
    names: Names | None = None,
) -> list[int]:
    """Return the signals of each output: the sum of the leaves that the trees reach, and `base`.

    A tree's words are shifted so that the least is 0; what they lose goes to the base.

    Args:
        m: where it is built.
        x: the features.
        splits: question of each node.
        trees: what can be reached of each.
        words: (leaves, outputs) integers.
        base: (outputs,) integers.
        frac: binary point of words and base.
        names: what the text calls features and outputs.
    """
    names = names or Names()
    numbers: dict[Split, int] = {}
    question = [numbers.setdefault(_plain(split), len(numbers)) for split in splits]
    rest, grown = base.copy(), {}
    for number_, tree in enumerate(trees):
        live = np.unique(list(leaves_of(tree)))
        rest += words[live].min(axis=0)
        found = Grown.of(tree, question, words, live)
        if found.outputs:
            grown[number_] = found
    every = list(numbers)
    asked = dict.fromkeys(k for tree in grown.values() for k in tree.asked)
    wanted = [every[k] for k in asked]
    if any(len(tree.asked) > DIRECT for tree in grown.values()):
        terms = _together(m, x, wanted, every, names, frac, len(base), grown)
    else:
        answers = ask(m, x, wanted, names)
        terms = _Trees(m, every, answers, names, frac, len(base)).build(grown)
    return [
        _total(m, own, int(b), frac, names.output(k, len(base)))
        for k, (own, b) in enumerate(zip(terms, rest, strict=True))
    ]


def _together(
    m: Module,
    x: Sequence[int],
    wanted: Sequence[Split],
    splits: Sequence[Split],
    names: Names,
    frac: int,
    outputs: int,
    grown: dict[int, Grown],
) -> list[list[Term]]:
    """Build large trees in one module, a section each: they share registers of answers."""
    used = sorted({split.feature for split in wanted})
    note = f"questions and {len(grown)} trees, a section each"
    inner = Module(f"{m.name}_trees", m.origin, note, as_built=True)
    own = dict(zip(used, inner.input("x", m.intervals([x[f] for f in used])), strict=True))
    features = [own.get(f, 0) for f in range(len(x))]
    answers = ask(inner, features, wanted, names)
    terms = _Trees(inner, splits, answers, names, frac, outputs).sections(grown)
    flat = [s for part in terms for _, s in part]
    inner.output("y", flat)
    outer = iter(m.instance(inner, {"x": [x[f] for f in used]}, "u_trees")["y"])
    found = [[(name, next(outer)) for name, _ in part] for part in terms]
    for part in found:
        for name, s in part:
            m.label(s, name)
    return found


def _plain(split: Split) -> Split:
    """Return a question without what does not matter to it."""
    if split.missing is None and split.missing_left:
        split = replace(split, missing_left=False)
    return replace(split, cut=0) if split.numbers is not None and split.cut else split


class _Trees:
    """Instance a module for each tree; equal trees share one."""

    def __init__(
        self,
        m: Module,
        splits: Sequence[Split],
        answers: Answers,
        names: Names,
        frac: int,
        outputs: int,
    ) -> None:
        self.m, self.splits, self.answers, self.names = m, splits, answers, names
        self.frac, self.outputs = frac, outputs

    def build(self, grown: dict[int, Grown]) -> list[list[Term]]:
        """Return the words of trees, for each output."""
        terms: list[list[Term]] = [[] for _ in range(self.outputs)]
        kinds: dict[object, list[int]] = {}
        for number_, tree in grown.items():
            kinds.setdefault(tree.key, []).append(number_)
        modules: dict[object, Module] = {}
        for number_, tree in grown.items():
            uses = kinds[tree.key]
            if tree.key not in modules:
                modules[tree.key] = self._module(tree, uses)
            feeds = [self.answers.signal[self.splits[k]] for k in tree.asked]
            name = self._name(number_, tree)
            found = self.m.instance(modules[tree.key], {"x": feeds}, f"u_{name}")["y"]
            for k, s in zip(tree.outputs, found, strict=True):
                self.m.label(s, name if len(found) == 1 else f"{name}_{k}")
                terms[k].append((name, s))
        return terms

    def sections(self, grown: dict[int, Grown]) -> list[list[Term]]:
        """Build trees right here, a section each; return their words, for each output."""
        m = self.m
        terms: list[list[Term]] = [[] for _ in range(self.outputs)]
        for number_, tree in grown.items():
            name, first = self._name(number_, tree), len(m)
            x = [self.answers.signal[self.splits[k]] for k in tree.asked]
            words = tree_words(m, tree, self.frac, x, f"leaves_{number_}", name)
            meanings = [self.answers.question[self.splits[k]].meaning for k in tree.asked]
            heading = self._note(tree, [number_], meanings)
            m.sections.update({m.names[s]: heading for s in range(first, len(m)) if s in m.names})
            for k, s in zip(tree.outputs, words, strict=True):
                terms[k].append((name, s))
        return terms

    def _module(self, tree: Grown, uses: list[int]) -> Module:
        """Build the module of equal trees."""
        asked = [self.answers.question[self.splits[k]] for k in tree.asked]
        labels, meanings = [q.name for q in asked], [q.meaning for q in asked]
        if len(uses) > 1:  # who asks what stands where they are used
            labels = meanings = [f"answer_{i}" for i in range(len(asked))]
        name = f"{self.m.name}_{self._name(uses[0], tree)}"
        m = Module(name, self.m.origin, self._note(tree, uses, meanings), as_built=True)
        build_tree(m, tree, self.frac, labels, f"leaves_{uses[0]}")
        return m

    def _note(self, tree: Grown, uses: list[int], meanings: list[str]) -> str:
        """Say what equal trees are."""
        which = ", ".join(map(str, uses[:12])) + (", ..." if len(uses) > 12 else "")
        single = self.outputs > 1 and len(tree.outputs) == 1
        output = f" for {self.names.output(tree.outputs[0], self.outputs)}" if single else ""
        note = f"tree{'s' * (len(uses) > 1)} {which} of the model{output}: {tree_size(tree)}"
        note = f"{note}; a word is what a leaf exceeds the least of them by"
        return f"{note}\n{tree_text(tree, self.frac, meanings)}"

    def _name(self, number_: int, tree: Grown) -> str:
        output = ""
        if len(tree.outputs) == 1:
            output = self.names.output(tree.outputs[0], self.outputs)
        return f"tree_{number_}" + (f"_{output}" if output else "")


def _total(m: Module, terms: Sequence[Term], rest: int, frac: int, output: str) -> int:
    """Return the sum of some trees' words and a constant, which is a module of its own."""
    constant = number(rest, frac)
    if not terms or (len(terms) == 1 and not rest):
        return terms[0][1] if terms else m.constant(rest, frac)
    stem = f"sum_{output}" if output else "sum"
    trees = f"the words of {len(terms)} trees" if len(terms) > 1 else "the word of a tree"
    note = f"{trees} and {constant} (the base score, and the least leaf of every tree)"
    inner = Module(f"{m.name}_{stem}", m.origin, note)
    x = inner.input("x", m.intervals([s for _, s in terms]))
    for s, (name, _) in zip(x, terms, strict=True):
        inner.label(s, name)
    total = signed_sum(inner, [*x, inner.constant(rest, frac)] if rest else x)
    inner.output("y", [total])
    (found,) = m.instance(inner, {"x": [s for _, s in terms]}, f"u_{stem}")["y"]
    m.label(found, stem)
    return found
