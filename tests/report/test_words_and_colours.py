"""What a page says its numbers are is what the documentation says, and its colours can be told apart."""

import itertools
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from gnode.report import glossary, predictions, style
from gnode.report.html import Card, Section, alternative, html_page, table

# Machado, Oliveira and Fernandes, IEEE Transactions on Visualization and Computer Graphics 15, 2009: severity 1.
WITHOUT_GREEN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
WITHOUT_RED = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def test_the_documentation_has_the_glossary_of_the_page():
    assert glossary.as_markdown() in (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


def test_a_page_explains_the_measures_that_it_leads_to_and_no_others():
    card = Card("Table", "", table(["run", glossary.linked("half-life", "half-life")], [["a", "3"]]))
    page = html_page("A", "", [Section("one", "One", "", [card])], origin="nothing")
    assert 'id="how-half-life"' in page
    assert 'id="how-drift"' not in page
    assert [measure.key for measure in glossary.used(page)] == ["half-life"]


def test_a_figure_says_in_words_what_it_shows():
    line = {"type": "scatter", "mode": "lines", "name": "a &lt;b&gt;", "x": [1, 2, 3], "y": [0.5, None, 0.25]}
    hidden = line | {"visible": False, "name": "hidden"}
    layout = {"xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": "loss"}}}
    words = alternative({"data": [line, hidden], "layout": layout})
    assert words == "x: epoch; y: loss. a <b>: 2 points, from 0.5 to 0.25."


@pytest.mark.parametrize("seen", [np.eye(3), WITHOUT_GREEN, WITHOUT_RED], ids=["all cones", "no green", "no red"])
def test_runs_are_told_apart(seen):
    """A distance of 2.3 in CIELAB is just noticeable."""
    places = [lab(np.array(seen) @ linear(colour)) for colour in style.RUNS]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(places, 2)) > 25


@pytest.mark.parametrize("ground", ["#ffffff", "#1b202a"])
def test_runs_stand_out_from_the_page(ground):
    for colour in style.RUNS:
        low, high = sorted((TO_XYZ @ linear(one))[1] for one in (colour, ground))
        assert (high + 0.05) / (low + 0.05) > 2.85


def linear(colour):
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(TO_XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089])  # none of ours is nearly black
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_long_name_of_a_class_leaves_room_for_the_figure():
    """Of one of 300 letters Plotly made all margin, and reported a size of -Infinity."""
    scores = {"confusion": [[1, 0], [1, 2]], "classes": ["<b>" * 100, "short"]}
    scores |= {f"{key}_by_class": [0.5, 1.0] for key in ("f1", "recall", "precision")}
    for figure in (predictions._confusion(scores), predictions._by_class(scores)):
        long, short = figure["layout"]["xaxis"]["ticktext"]
        assert len(unescape(long)) <= 18 and long.startswith("&lt;b&gt;") and short == "short"
        assert "&lt;b&gt;" * 100 in str(figure["data"])
