"""The project itself: floors, names, sizes, packaging, what an import drags in."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path, PurePath

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import gatewright
from gatewright.ops import OPERATIONS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/gatewright"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FRAMEWORKS = ("torch", "tensorflow", "keras", "onnxruntime", "sklearn", "xgboost", "jax")
SOURCES = sorted(PACKAGE.rglob("*.py"))


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def test_floors_hold(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    cache = str(tmp_path / "cache")
    config = str(ROOT / "pyproject.toml")
    assert lint_imports(config_filename=config, cache_dir=cache) == EXIT_STATUS_SUCCESS


def test_floors_name_every_package():
    (contract,) = PROJECT["tool"]["importlinter"]["contracts"]
    named = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    there = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    there |= {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert named == there
    assert contract["exhaustive"]


def test_every_folder_of_code_is_a_package():
    """A folder without `__init__.py` works from a checkout but is left out of the wheel."""
    folders = {path.parent for path in SOURCES}
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.__name__)
def test_an_operation_has_a_file_of_its_stem(op):
    assert op.__module__ == f"gatewright.ops.{snake(op.__name__)}"


def test_operations_are_listed_in_order_and_once():
    names = [op.__name__ for op in OPERATIONS]
    assert names == sorted(set(names))


def test_no_source_file_is_longer_than_500_lines():
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}
    assert {name: n for name, n in lengths.items() if n > 500} == {}


def test_helpers_of_tests_have_names_of_their_own():
    """They are imported by their stem alone, from whichever folder has it first."""
    tests = [p for p in (ROOT / "tests").glob("*/*.py") if not (p.parent / "__init__.py").exists()]
    stems = [p.stem for p in tests if not p.stem.startswith("test_") and p.stem != "conftest"]
    assert sorted(stems) == sorted(set(stems))


def imported(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    report = (
        "import sys, json; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_loads_no_framework():
    loaded = imported("import gatewright")
    assert "gatewright" in loaded
    assert loaded.isdisjoint(FRAMEWORKS)


def test_the_whole_package_loads_no_framework():
    """Nor does any package below the command line, imported by name."""
    names = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
    loaded = imported("\n".join(f"import gatewright.{name}" for name in names))
    assert loaded.isdisjoint(FRAMEWORKS)


def test_version_is_the_newest_of_the_changelog():
    (newest, *_) = re.findall(r"^## \[([0-9][^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert gatewright.__version__ == newest


def test_every_data_file_is_packaged():
    """What stands beside the code must match a pattern of `package-data`, or a wheel lacks it."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["gatewright"]
    data = [
        p
        for p in PACKAGE.rglob("*")
        if p.is_file() and p.suffix not in (".py", ".pyc", ".nbi", ".nbc")
    ]
    missed = [
        str(p.relative_to(PACKAGE))
        for p in data
        if not any(PurePath(p.relative_to(PACKAGE)).match(pattern) for pattern in patterns)
    ]
    assert data
    assert missed == []


def requirements(extra: str = "") -> list[str]:
    lines = PROJECT["project"]["dependencies"]
    return PROJECT["project"]["optional-dependencies"][extra] if extra else lines


def test_installed_packages_satisfy_the_requirements():
    packaging = pytest.importorskip("packaging.requirements")
    wrong = []
    for line in requirements():
        need = packaging.Requirement(line)
        if need.marker is not None and not need.marker.evaluate():
            continue
        found = importlib.metadata.version(need.name)
        if not need.specifier.contains(found, prereleases=True):
            wrong.append(f"{need.name} {found}, needs {need.specifier}")
    assert wrong == []


def test_no_framework_is_a_core_dependency():
    names = {re.split(r"[^\w-]", line, maxsplit=1)[0].lower() for line in requirements()}
    assert names.isdisjoint(FRAMEWORKS)
    assert names.isdisjoint({"hgq2", "qkeras", "scikit-learn", "lightgbm"})


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return [t for t in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in t]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_somewhere(page):
    path = ROOT / page
    assert [link for link in links(path) if not (path.parent / link).exists()] == []


def test_nothing_names_a_folder_of_one_machine():
    """Paths of a developer's machine do not belong in what is shipped."""
    foreign = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w+")
    files = [*SOURCES, *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "Makefile"]
    found = {str(p.relative_to(ROOT)): foreign.findall(p.read_text()) for p in files}
    assert {name: hits for name, hits in found.items() if hits} == {}
