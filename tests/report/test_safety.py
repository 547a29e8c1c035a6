"""A page runs its own programs and no other: what comes from users is text, and a policy says so to the browser."""

import base64
import hashlib
import re

import numpy as np
import pandas as pd
import pytest

import gnode
from gnode.report import report

WORDS = "<script>window.hit=1</script><img src=x onerror=window.hit=1>"
DANGER = ("<script>window", "<img src=x")


def policy_of(page: str) -> str:
    return re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)[1]


class Named:
    """A task of one's own, whose name is no name."""

    name = WORDS
    loss = "mse"

    def sample(self, count, seed):
        return gnode.tasks.make("ring", bins=20).sample(count, seed)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Pages of runs whose task, classes, columns, file and folder are called by a program."""
    place = tmp_path_factory.mktemp("hostile")
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=2, seed=1)
    sizes = dict(epochs=1, batch_size=4, train_trials=8, validation_trials=4, test_trials=4)
    gnode.train(model, Named(), out=place / "task", **sizes)
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({
        f"a{WORDS}": generator.standard_normal(240), f"b{WORDS}": generator.standard_normal(240),
        f"series{WORDS}": np.repeat(np.arange(24), 10), f"kind{WORDS}": np.repeat([f"one{WORDS}", f"two{WORDS}"], 120),
    })  # fmt: skip
    name = WORDS.replace("/", "_") + ".csv"  # a slash cannot be in the name of a file
    rows.to_csv(place / name, index=False)
    data = gnode.data.from_file(place / name, f"kind{WORDS}", series=f"series{WORDS}")
    outputs = len(data.classes)
    model = gnode.models.make("rnn", input_size=2, state_size=2, output_size=outputs, seed=1, reading="last")
    gnode.train(model, data, out=place / f"of {name}", epochs=1, batch_size=4)
    return [report([place / "task"]), report([place / f"of {name}"])]


def test_what_comes_from_users_is_text(hostile):
    for path in hostile:
        page = path.read_text()
        assert not [danger for danger in DANGER if danger in page]
    assert "window.hit=1" in page  # it is there, as words


def test_the_policy_names_the_programs_of_the_page_and_nothing_else(hostile, plane_run, tmp_path):
    for path in [*hostile, report([plane_run], tmp_path / "page.html")]:
        page = path.read_text()
        programs = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        hashes = {base64.b64encode(hashlib.sha256(program.encode()).digest()).decode() for program in programs}
        policy = dict(rule.strip().split(" ", 1) for rule in policy_of(page).split(";"))
        assert policy["default-src"] == "'none'"
        assert set(policy["script-src"].split()) == {f"'sha256-{found}'" for found in hashes}
        assert not re.search(r"\bhttps?:|\*|unsafe-eval", policy_of(page))
        assert page.index("Content-Security-Policy") < page.index("<script")


@pytest.mark.slow
def test_a_browser_runs_nothing_of_it(browser, hostile, tmp_path):
    open_page = hostile[1].read_text()
    smuggled = tmp_path / "smuggled.html"  # as if escaping had failed
    smuggled.write_text(
        re.sub(
            "(<main[^>]*>)", lambda found: f"{found[0]}{WORDS}<script src=https://example.org/x.js></script>", open_page
        )
    )
    for path, meets_policy in [(hostile[0], False), (hostile[1], False), (smuggled, True)]:
        page = browser.new_page()
        troubles, requests = [], []
        page.on("console", lambda entry, troubles=troubles: troubles.append(entry.text))
        page.on("requestfinished", lambda request, requests=requests: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_load_state()
        for box in page.locator(".figure").all():
            box.scroll_into_view_if_needed()
        assert page.evaluate("window.hit") is None
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        assert bool([text for text in troubles if "Content Security Policy" in text]) == meets_policy, troubles
        page.close()
