from itertools import pairwise

from gatewright.tools.yosys_plan import Hierarchy, deal, hierarchy_of, readable, unit_tree, units


def statistics(modules):
    """Write `stat -json` as Yosys does: modules with a backslash, their cells without."""
    return {
        "modules": {
            name: {"num_wire_bits": bits, "num_cells_by_type": cells}
            for name, (bits, cells) in modules.items()
        }
    }


KERNEL = "$paramod\\kernel\\W=s32'00000000000000000000000000001000"
PLAN = hierarchy_of(
    statistics(
        {
            "\\top": (50, {"layer": 2, "head": 1, "$add": 3}),
            "\\layer": (100, {KERNEL: 6, "tiny": 3}),
            "\\head": (400, {"once": 1, "tiny": 1}),
            "\\once": (9000, {"$mul": 1}),
            KERNEL: (900, {"tiny": 1}),
            "\\tiny": (5, {}),
        }
    ),
    "top",
)


def test_hierarchy_of_statistics():
    assert PLAN.children["\\top"] == {"\\layer": 2, "\\head": 1}
    assert PLAN.order()[0] == "\\top"
    assert PLAN.instances() == {
        "\\top": 1, "\\layer": 2, "\\head": 1, KERNEL: 12, "\\once": 1, "\\tiny": 19
    }  # fmt: skip


def test_units_are_layers_and_what_repeats_and_is_big():
    kept = units(PLAN)
    assert set(kept) == {"\\top", "\\layer", "\\head", KERNEL}
    tree = unit_tree(PLAN, frozenset(kept))
    assert tree["\\top"] == {"\\layer": 2, "\\head": 1}
    assert tree["\\layer"] == {KERNEL: 6}
    assert tree["\\head"] == {}


def test_a_kept_module_below_a_flattened_one_is_found():
    plan = Hierarchy(
        "\\top",
        {"\\top": {"\\a": 1}, "\\a": {"\\b": 2}, "\\b": {"\\c": 3}, "\\c": {}},
        {"\\top": 1, "\\a": 1, "\\b": 1, "\\c": 1},
    )
    assert unit_tree(plan, frozenset({"\\top", "\\c"})) == {"\\top": {"\\c": 6}, "\\c": {}}


def test_a_deep_hierarchy_needs_no_recursion():
    names = [f"\\m{i}" for i in range(5000)]
    children = {a: {b: 1} for a, b in pairwise(names)} | {names[-1]: {}}
    plan = Hierarchy(names[0], children, dict.fromkeys(names, 1))
    assert plan.instances()[names[-1]] == 1


def test_deal_balances():
    shares = deal(["a", "b", "c", "d"], {"a": 10, "b": 4, "c": 3, "d": 3}, 2)
    assert sorted(map(sorted, shares)) == [["a"], ["b", "c", "d"]]
    assert deal(["a"], {"a": 1}, 4) == [["a"]]


def test_names_for_people():
    assert readable("\\dense_1") == "dense_1"
    assert readable(KERNEL) == "kernel(W=8)"
    assert readable("$paramod\\k\\W=s32'11111111111111111111111111111111\\N=2'01") == "k(W=-1, N=1)"
    assert readable("$paramod$0123456789abcdef0123456789abcdef01234567\\k") == "k(#01234567)"


def test_ports_around_one_module_hide_no_layers():
    children = {"\\top": {"\\net": 1}, "\\net": {"\\a": 1, "\\b": 2}, "\\a": {}, "\\b": {}}
    plan = Hierarchy("\\top", children, dict.fromkeys(children, 1))
    assert units(plan) == ["\\top", "\\net", *[n for n in plan.order() if n in ("\\a", "\\b")]]
