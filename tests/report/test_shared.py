"""What figures have in common stands in the page once, and each gets it back."""

import json
import re

import numpy as np

from gnode.report.html import Card, Section, html_page
from gnode.report.shared import Shared


def put_back(shared):
    """What page.js does."""
    return lambda entry: shared.lists[entry["shared"]] if "shared" in entry else entry


def test_figures_come_back_as_they_were():
    grid = np.random.default_rng(0).standard_normal((20, 20)).round(4).tolist()
    line, one = np.arange(600.0).tolist(), np.arange(600, 1200).tolist()
    figures = [
        {"data": [{"z": grid, "x": line, "name": "a"}, {"x": line, "y": [1, None, 3], "rows": [grid[0], grid[1]]}]},
        {"data": [{"z": grid, "x": one}], "layout": {"updatemenus": [{"buttons": [{"args": [{"x": [line, line]}]}]}]}},
        {"data": [], "layout": {}},
    ]
    shared = Shared(figures)
    texts = [json.dumps(shared.without(figure)) for figure in figures]
    assert [json.loads(text, object_hook=put_back(shared)) for text in texts] == figures
    assert sum(map(len, texts)) + len(json.dumps(shared.lists)) < 0.55 * len(json.dumps(figures))
    assert str(one) in texts[1] and str(line) not in "".join(texts)  # what one figure alone draws stays in it


def test_figures_with_nothing_in_common_stay_whole():
    figures = [{"data": [{"x": list(range(number, number + 500))}]} for number in range(3)]
    shared = Shared(figures)
    assert shared.lists == [] and [shared.without(figure) for figure in figures] == figures


def test_a_page_holds_what_figures_share_once():
    numbers = [round(0.1234 + place, 4) for place in range(400)]
    figure = {"data": [{"type": "scatter", "x": numbers, "y": numbers}], "layout": {}}
    page = html_page("t", "", [Section("s", "S", "", [Card("a", "", figure), Card("b", "", figure)])], origin="here")
    assert page.count("399.1234") == 1
    [lists] = re.findall(r'<script type="application/json" id="shared">(.*?)</script>', page)
    assert json.loads(lists) == [numbers]
