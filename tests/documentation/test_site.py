"""The built pages: no broken link, nothing from elsewhere, and a search that works in pages opened as files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("documentation") / "site"
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert build.returncode == 0, build.stderr
    return folder


def test_every_page_is_in_the_menu(site):
    menu = (site / "index.html").read_text()
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if page.name != "index.html" and f'href="{page}"' not in menu] == []


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]*)"', page.read_text())
        loaded += re.findall(r'<link[^>]* rel="stylesheet"[^>]*href="([^"]*)"', page.read_text())
        assert [url[:99] for url in loaded if "//" in url and not url.startswith("data:")] == [], page


def test_the_search_works_in_a_page_that_is_opened_as_a_file(site, browser):
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "results" / "planar.html").as_uri())
    page.keyboard.press("f")
    page.keyboard.type("half-life")
    page.locator(".md-search-result__item a").first.wait_for(timeout=60_000)
    found = [link.get_attribute("href") for link in page.locator(".md-search-result__item a").all()]
    assert any("report.html" in address for address in found)
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    page.close()
