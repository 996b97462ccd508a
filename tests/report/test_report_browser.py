"""The page in a real browser: it loads without complaint, light and dark, and asks for nothing."""

from __future__ import annotations

import shutil
import subprocess

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt-get install chromium")
def test_the_page_loads_without_complaint(real_page, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(real_page, encoding="utf-8")
    command = [
        str(BROWSER), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    assert "Bit-exact" in done.stdout
    assert done.stdout.count("<svg") == page.read_text(encoding="utf-8").count("<svg")
