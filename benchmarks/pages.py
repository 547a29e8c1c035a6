"""How large a page is and how long it takes to open: of one run, and of four side by side. It prints a table."""

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.cold import BIN, run

ROUNDS = 5
MODELS = ("gnode", "node", "gru", "rnn")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
DRAWN = ".figure[data-drawn=yes]"


def measure() -> list[dict[str, Any]]:
    """Megabytes, and seconds until the first figure is drawn, at 1280 pixels, in a browser that is open."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        sys.exit(f"No browser on the path ({', '.join(BROWSERS)}).")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for model in MODELS:
            _gnode("train", "ring", "--model", model, "--epochs", "20", "--out", f"{folder}/{model}")
        browser = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        for count in (1, len(MODELS)):
            page = Path(folder) / f"{count}.html"
            _gnode("report", *(f"{folder}/{model}" for model in MODELS[:count]), "--out", str(page))
            seconds = [_opening(browser, page) for _ in range(ROUNDS)]
            size = page.stat().st_size / 1e6
            rows.append(
                {"runs": count, "megabytes": size, "median_s": statistics.median(seconds), "most_s": max(seconds)}
            )
        browser.close()
    print("| runs | size | opens in, median | at most |\n|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['runs']} | {row['megabytes']:.2f} MB | {row['median_s']:.2f} s | {row['most_s']:.2f} s |",
            flush=True,
        )
    return rows


def _gnode(*words: str) -> None:
    run([str(BIN / "gnode"), *words])


def _opening(browser: Any, path: Path) -> float:
    """Seconds until the first figure of a page is drawn."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector(DRAWN, state="attached")
    seconds = time.perf_counter() - began
    page.close()
    return seconds
