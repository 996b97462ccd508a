"""What the page answers first."""

from __future__ import annotations

import re
from html import unescape

import pytest

from gatewright.report import render
from gatewright.report.verdict import STATUSES, tiles_of, verdict_of


def rtl(facts):
    (check,) = [c for c in facts["verification"]["checks"] if c["subject"] == "simulated RTL"]
    return check


def test_exact_counts_the_vectors_of_the_rtl(facts):
    rtl(facts)["vectors"] = 12_345
    verdict = verdict_of(facts)
    assert verdict.state == "exact"
    assert verdict.headline == "Bit-exact: 12,345 / 12,345 in simulated RTL"
    assert "Bit-exact: 12,345 / 12,345 in simulated RTL" in render(facts)


def test_nothing_compared_is_not_verified(bare):
    assert verdict_of(bare).state == "open"
    assert verdict_of(bare).headline.startswith("Not verified")


def test_rtl_that_was_not_simulated_is_never_called_verified(facts):
    rtl(facts).update(status="not run", detail="no C++ compiler was found", vectors=0)
    for claimed in (False, True):  # whatever the facts claim
        facts["verification"]["verified"] = claimed
        verdict = verdict_of(facts)
        assert verdict.state == "open"
        assert "no C++ compiler was found" in verdict.reasons[0]
    assert "Bit-exact" not in render(facts)


def test_a_mismatch_says_where_also_beside_exact_rtl(facts):
    check = facts["verification"]["checks"][0]
    check.update(status="failed", detail="port y, element 3, sample 17: 5 instead of 4")
    verdict = verdict_of(facts)
    assert verdict.state == "failed"
    assert verdict.headline == f"FAILED: {check['subject']}"
    page = render(facts)
    assert "sample 17: 5 instead of 4" in page
    assert "Bit-exact" not in page


def test_changed_files_are_told_beside_the_verdict(facts, real_page):
    assert "Files were changed" not in real_page
    facts["changed_files"] = ["rtl/dense_1.v"]
    page = render(facts)
    head = page[: page.index("<nav")]
    assert "Files were changed" in head
    assert "rtl/dense_1.v" in head


def readings(page: str) -> list[str]:
    """Return each reading of the headline figures as HTML."""
    head = page[page.index('<div class="tiles') : page.index('<dl class="legend"')]
    return head.split('<div class="reading')[1:]


@pytest.mark.parametrize("kind", ["facts", "bare"])
def test_every_number_of_the_verdict_has_a_status(kind, request):
    facts = request.getfixturevalue(kind)
    found = readings(render(facts))
    assert len(found) == sum(len(tile.readings) for tile in tiles_of(facts))
    for reading in found:
        assert len(re.findall(r'<b class="num">', reading)) == 1
        (status,) = re.findall(r'<span class="tag [^>]*>([^<]+)</span>', reading)
        assert status in STATUSES


def test_no_number_stands_outside_a_reading(real_page):
    page = real_page
    head = page[page.index('<div class="tiles') : page.index('<dl class="legend"')]
    outside = re.sub(r'<div class="reading.*?</div>', "", head, flags=re.S)
    assert not re.search(r"\d", unescape(re.sub(r"<[^>]+>", "", outside)))


def test_estimates_stand_beside_synthesis(facts):
    tiles = {tile.label: tile for tile in tiles_of(facts)}
    for kind in ("LUT", "FF", "DSP"):
        assert [r.status for r in tiles[kind].readings] == ["synthesised", "estimated"]
    assert [r.status for r in tiles["BRAM"].readings] == ["synthesised"]
    facts["synthesis"] = None
    tiles = {tile.label: tile for tile in tiles_of(facts)}
    assert [r.status for r in tiles["LUT"].readings] == ["estimated"]
    assert tiles["BRAM"].readings == ()
    assert tiles["BRAM"].missing


def test_luts_are_all_sites(facts):
    facts["synthesis"]["total"].update(lut=100, lutram=10, srl=1)
    (tile,) = [tile for tile in tiles_of(facts) if tile.label == "LUT"]
    assert tile.readings[0].value == "111"


def test_cycles_and_nanoseconds_are_got_in_different_ways(bare):
    bare["latency"]["status"] = "from the circuit"
    ((cycles, ns),) = [t.readings for t in tiles_of(bare) if t.label == "Latency"]
    assert (cycles.status, ns.status) == ("from the circuit", "estimated")


def test_share_of_the_device(facts):
    facts["device"]["lut"] = 2 * facts["estimate"]["lut"]
    (tile,) = [tile for tile in tiles_of(facts) if tile.label == "LUT"]
    assert tile.readings[-1].share == "50.0\u202f%"
    facts["device"]["lut"] = 0
    (tile,) = [tile for tile in tiles_of(facts) if tile.label == "LUT"]
    assert tile.readings[-1].share == ""


def test_proofs_are_told_beside_the_vectors():
    def check(subject, status, vectors=9):
        return {
            "subject": subject,
            "method": "",
            "status": status,
            "vectors": vectors,
            "detail": "",
        }

    rtl = check("simulated RTL", "exact")
    for second, text in (
        ("proven", "read back."),
        ("not proven", "1 of 2 modules; not Verilog of b."),
    ):
        proofs = [check("Verilog of a", "proven"), check("Verilog of b", second)]
        facts = {"verification": {"verified": True, "checks": [rtl, *proofs]}}
        verdict = verdict_of(facts)
        assert verdict.state == "exact"
        assert verdict.reasons[-1].startswith("Proven for every input")
        assert verdict.reasons[-1].endswith(text)
