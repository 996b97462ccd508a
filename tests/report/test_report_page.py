"""The page as a whole: its sections, that it is closed in itself, the same every time, and safe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gatewright.report import render
from gatewright.report.page import SECTIONS

HOSTILE = '<script>alert("x")</script>\n--></style></svg><img src=x onerror=y>{{ 7*7 }}$x^2$&amp;'
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page: elements, their attributes, text by element; checks that tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_all_sections_stand_in_order(real_page):
    page = Page(real_page)
    wanted = ["verdict", *(name for name, _ in SECTIONS)]
    assert [i for i in page.ids if i in wanted] == wanted


def test_identifiers_are_unique_and_references_resolve(real_page):
    text = real_page
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    targets = re.findall(r'href="#([^"]+)"', text) + re.findall(r"url\(#([^)]+)\)", text)
    assert targets
    assert set(targets) <= set(page.ids)


def test_the_page_asks_for_nothing_outside(real_page):
    text = real_page
    assert "://" not in text
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    for tag, attributes in Page(text).elements:
        assert tag not in ("script", "iframe", "object", "embed", "img")
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))
        assert not any(name.startswith("on") for name in attributes)


def test_the_same_facts_give_the_same_page(facts, real_page):
    assert render(json.loads(json.dumps(facts))) == real_page


def test_another_process_with_other_settings_gives_the_same_page(facts, real_page, tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\naxes.grid: True\n")
    code = (
        "import json, sys; from gatewright.report import render; "
        "sys.stdout.buffer.write(render(json.load(open('facts.json'))).encode())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == real_page.encode()


def test_drawing_leaves_the_users_settings_alone(facts):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render(facts)
    assert dict(mpl.rcParams) == before


def test_loading_the_package_does_not_load_the_plotting_library():
    code = "import sys, gatewright.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def hostile(value):
    """Put hostile text into every string that the model or the user brings."""
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


def test_hostile_text_stays_text(facts):
    statuses = {"status", "subject"}  # words of ours: they decide, and do not come from a model
    for part in (
        "name",
        "model",
        "layers",
        "tensors",
        "plan",
        "quantization",
        "command",
        "metrics",
        "host",
        "device",
        "import_check",
    ):
        facts[part] = hostile(facts[part])
    for check in facts["verification"]["checks"]:
        check |= {k: hostile(v) for k, v in check.items() if k not in statuses}
    facts["changed_files"] = [HOSTILE]
    facts["timings"] = {HOSTILE: 1.0}
    facts["clock"]["delay_model"] = HOSTILE
    facts["model"]["facts"] = {HOSTILE: HOSTILE}
    text = render(facts)
    page = Page(text)
    assert not {"script", "img"} & {tag for tag, _ in page.elements}
    assert "<script" not in text
    assert 'alert("x")' in page.text
    assert "{{ 7*7 }}" in page.text
    assert not any(name.startswith("on") for _, a in page.elements for name in a)


def test_names_with_controls_and_surrogates_can_be_written(facts):
    facts["layers"][0]["layer"] = "a\x00b\u202e\ud800c\r\nd"
    facts["command"] = "gatewright compile '\ud800\x1b[2J'"
    text = render(facts)
    text.encode()
    assert not set("\x00\u202e\x1b") & set(text)
    assert "a\ufffdb\ufffd\ufffdc\ufffd d" in text


def test_long_names_are_shortened_and_kept_as_tooltips(facts):
    name = "encoder_" + "block_" * 40 + "last"
    facts["layers"][0]["layer"] = name
    text = render(facts)
    assert f'title="{name}"' in text
    assert f">{name}<" not in text
    assert "\u2026" in text


def test_an_absurdly_long_name_does_not_swell_the_page(facts, real_page):
    before = len(real_page)
    facts["layers"][0]["layer"] = "x" * 1_000_000
    assert len(render(facts)) < before + 5_000


def test_a_design_without_anything_says_what_is_missing(bare):
    text = Page(render(bare)).text
    for words in (
        "Not verified",
        "Not synthesised",
        "Not measured",
        "No calibration data were given",
        "Nothing of the circuit has been compared",
        "nothing was quantized",
    ):
        assert words in text


@pytest.mark.parametrize(
    "parts", [["layers"], ["tensors"], ["layers", "tensors", "plan", "timings", "host", "model"]]
)
def test_each_part_may_be_missing(facts, parts):
    for part in parts:
        facts[part] = None
    Page(render(facts))


def test_many_layers_are_all_in_tables_and_figures_say_what_they_leave_out(facts):
    layer, tensor = facts["layers"][0], facts["tensors"][1]
    facts["layers"] = [
        {**layer, "layer": f"block_{i}", "module": f"m{i}", "begin": i, "end": i + 1}
        for i in range(150)
    ] + [facts["layers"][-1]]
    facts["tensors"] = [
        {**tensor, "name": f"t{i}", "layer": f"block_{i}", "inputs": [f"t{i - 1}"] if i else []}
        for i in range(150)
    ]
    text = render(facts)
    shown = Page(text).text
    assert "Shown: 48 of 150 values" in shown
    assert "the 48 layers that take longest, of 150" in shown
    assert "the 30 layers with most LUTs, of 151" in shown
    for i in range(150):
        assert len(re.findall(rf">block_{i}<", text)) >= 3
    assert len(text) < 600_000


def test_numbers_that_are_none_do_not_break_the_page(facts):
    facts["tensors"][0]["observed_high"] = float("nan")
    facts["tensors"][1]["high"] = float("inf")
    facts["tensors"][2]["low"] = float("-inf")
    facts["metrics"]["relative_error"] = float("nan")
    facts["quantization"]["history"].append([float("nan"), float("inf")])
    assert "not a number" in Page(render(facts)).text


def test_the_facts_are_of_a_real_design_and_name_no_machine():
    text = (Path(__file__).parent / "jet_tagger.json").read_text()
    assert "/home" not in text
    assert json.loads(text)["model"]["source"] == "jet_tagger.onnx"
