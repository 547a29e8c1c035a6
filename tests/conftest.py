"""What tests share: JAX on one quiet core, shapes checked at run time, the data folder, a browser, tiny runs."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]

# Before JAX and NumPy are imported, and inherited by the processes that tests start: xdist already fills the cores.
# Whoever sets one of these by hand keeps it.
for name, value in {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    "MPLBACKEND": "agg",
}.items():
    os.environ.setdefault(name, value)

# Before gnode is imported: in the rooms whose annotations carry shapes, they are checked in the tests, and only there.
from jaxtyping import install_import_hook  # noqa: E402

install_import_hook(
    [f"gnode.{room}" for room in ("nn", "fields", "integrate", "models.initial", "models.model", "analysis")],
    "beartype.beartype",
)

from hypothesis import HealthCheck, settings  # noqa: E402

import gnode  # noqa: E402
from gnode.cli import main  # noqa: E402
from gnode.training import Interrupted  # noqa: E402
from gnode.training.progress import Silent  # noqa: E402

settings.register_profile(
    "gnode", derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gnode")


DEAR = {line for line in (ROOT / "tests" / "dear.txt").read_text().splitlines() if not line.startswith("#")}


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what -m says
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Dear tests are of the full crosses. Fast tests first, so that most mistakes show within seconds."""
    names = {item.nodeid.removeprefix("tests/"): item for item in items}
    for name in DEAR & set(names):
        names[name].add_marker("full")
    if config.args == config.getini("testpaths") and (gone := DEAR - set(names)):
        raise pytest.UsageError(f"Must have tests/dear.txt name tests that are there, instead got {sorted(gone)}.")
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="module", autouse=True)
def _forget_programs() -> Iterator[None]:
    """Most tests train nothing, and would not let programs go."""
    yield
    from gnode.training.platform import forget_programs  # not earlier: see above

    forget_programs()


@pytest.fixture(scope="session", autouse=True)
def _data_home(tmp_path_factory) -> Iterator[None]:
    """What is remembered for the user is not remembered in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _few_length_classes() -> Iterator[None]:
    """Each length class is one more copy of the network to compile, which is what training on ragged series here takes
    its time for. That their number changes nothing is for the tests of the map and of the loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("gnode.training.train"), "LENGTH_CLASSES", 2)
        yield


@pytest.fixture(name="gnode")
def command(capsys, monkeypatch):
    """Runs the command in this process: (exit code, standard output, standard error)."""

    def call(line: str, *more: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gnode", *line.split(), *map(str, more)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Where the real data sets lie: $GNODE_DATA, or shared/data beside the checkout."""
    folder = Path(os.environ.get("GNODE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder}: set GNODE_DATA to the folder that holds walker2d/ and the others")
    return folder


# One a module, not one a session: while it is open, playwright keeps an event loop in this thread, and other tests'
# asyncio.run would refuse to start.
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The system's Chromium, without a window; the test skips where there is none."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next((path for path in map(shutil.which, names) if path), None)
    if executable is None:
        pytest.skip(f"no browser on the path (looked for {', '.join(names)})")
    quiet = (
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(quiet))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def inaccessible():
    """What axe-core finds of impact serious or critical on a page that is open, as it is drawn: rule and elements."""
    from axe_playwright_python.sync_playwright import Axe

    def look(page) -> list[tuple[str, list[str]]]:
        found = Axe().run(page).response["violations"]
        return [
            (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    return look


@pytest.fixture
def accessible(browser, inaccessible):
    """Asserts that nothing of a page, drawn as a whole, is inaccessible: on a desk, in the dark, and on a phone."""

    def check(path: Path) -> None:
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(path.resolve().as_uri())
            for box in page.locator(".figure").all():
                box.scroll_into_view_if_needed()
            page.wait_for_function("[...document.querySelectorAll('.figure')].every(box => box.dataset.drawn)")
            assert inaccessible(page) == [], (width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.close()

    return check


# -- tiny runs, for the tests of examine and report --

TINY = dict(batch_size=10, train_trials=40, validation_trials=10, test_trials=10)


class StopAfter(Silent):
    """Presses Ctrl-C after an epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def epoch(self, record) -> None:
        if record.epoch == self._epoch:
            raise KeyboardInterrupt


def tiny(out: Path, task="ring", *, model="gnode", size=2, epochs=6, watcher=None, **options) -> Path:
    """A run directory after a few epochs."""
    task = task if hasattr(task, "sample") else gnode.tasks.make(task, **options)
    trials = task.sample(1, seed=0)
    hidden = {"hidden": (8,)} if model in ("gnode", "node") else {}
    made = gnode.models.make(
        model,
        input_size=trials.inputs.shape[-1],
        state_size=size,
        output_size=trials.targets.shape[-1],
        seed=1,
        **hidden,
    )
    gnode.train(made, task, out=out, epochs=epochs, lr=1e-2, snapshot_every=2, watcher=watcher, **TINY)
    return out


@pytest.fixture(scope="session")
def make_run():
    return tiny


@pytest.fixture(scope="session")
def plane_run(tmp_path_factory) -> Path:
    """N = 2 on the ring, with snapshots."""
    return tiny(tmp_path_factory.mktemp("runs") / "plane")


@pytest.fixture(scope="session")
def space_run(tmp_path_factory) -> Path:
    """N = 3 on the ring, with snapshots."""
    return tiny(tmp_path_factory.mktemp("runs") / "space", size=3)


@pytest.fixture(scope="session")
def stopped_run(tmp_path_factory) -> Path:
    """A run that was interrupted after its third epoch."""
    out = tmp_path_factory.mktemp("runs") / "stopped"
    with pytest.raises(Interrupted):
        tiny(out, watcher=StopAfter(3))
    return out


@pytest.fixture(scope="session")
def own_run(tmp_path_factory) -> Path:
    """A run on trials of the user's own."""
    task = gnode.tasks.make("square")
    out = tmp_path_factory.mktemp("runs") / "own"
    data = gnode.training.Data(*(task.sample(20, seed=seed) for seed in (1, 2, 3)))
    model = gnode.models.make("gnode", input_size=2, state_size=2, output_size=2, hidden=(8,), seed=1)
    gnode.train(model, data, out=out, epochs=3, batch_size=10)
    return out
