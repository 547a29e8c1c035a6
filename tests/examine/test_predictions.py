"""What is said of predictions: against scikit-learn and SciPy, and alike in `gnode evaluate` and on the page."""

import json
import re
import shutil
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

import gnode
from gnode.examine import evaluate
from gnode.examine.answers import Answers, answers_of
from gnode.examine.classification import wilson
from gnode.examine.content import content_of
from gnode.examine.regression import regression
from gnode.report import predictions, report
from gnode.series import Data, Series, Trials

NAMES = ("up", "down", "<still>")
KINDS = ("class a trial", pytest.param("class a sample", marks=pytest.mark.full), "numbers")


@pytest.mark.parametrize(("right", "count"), [(0, 7), (3, 10), (40, 41), (25, 25)])
def test_the_interval_of_independent_answers_is_wilsons(right, count):
    expected = binomtest(right, count).proportion_ci(method="wilson")
    found = wilson(np.arange(count) < right, np.random.default_rng(0).permutation(count))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("right", [7, 10])
def test_saying_the_same_again_makes_nothing_surer(right):
    once, trial = np.arange(10) < right, np.arange(10)
    again = wilson(np.repeat(once, 50), np.repeat(trial, 50))
    np.testing.assert_allclose(again, wilson(once, trial), atol=1e-12)


def test_answers_that_differ_within_a_trial_count_for_themselves():
    alternating, trial = np.tile([True, False], 50), np.repeat(np.arange(10), 10)
    np.testing.assert_allclose(wilson(alternating, trial), wilson(alternating, np.arange(100)))


def test_errors_of_numbers_are_scikit_learns():
    random = np.random.default_rng(1)
    truth = random.standard_normal((60, 3)) * [1, 10, 0] + [0, 0, 4]
    said = truth + random.standard_normal((60, 3)) * [0.5, 1, 1]
    found = regression(Answers(said, truth, np.repeat(np.arange(20), 3)))
    assert found["rmse"] == pytest.approx(np.sqrt(mean_squared_error(truth, said)))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, said))
    np.testing.assert_allclose(found["mae_by_channel"], mean_absolute_error(truth, said, multioutput="raw_values"))
    squared = mean_squared_error(truth, said, multioutput="raw_values")
    np.testing.assert_allclose(np.square(found["rmse_by_channel"]), squared)
    of_two = r2_score(truth[:, :2], said[:, :2], multioutput="raw_values")
    assert found["r2_by_channel"] == [*map(pytest.approx, of_two), None]  # the third does not vary
    assert found["r2"] == pytest.approx(of_two.mean())
    of_trials = ((said - truth) ** 2).mean(axis=1).reshape(20, 3).mean(axis=1)
    expected = bootstrap((of_trials,), np.mean, method="percentile", random_state=0).confidence_interval
    np.testing.assert_allclose(found["rmse_interval"], np.sqrt(expected), rtol=0.03)
    assert regression(Answers(said, truth, np.zeros(60, int)))["rmse_interval"] is None


@pytest.mark.parametrize("loss", ["poisson", "gaussian"])
def test_answers_are_in_the_units_of_the_targets(loss):
    """Rates where outputs are their logarithms; means where variances stand behind them."""
    random = np.random.default_rng(0)
    inputs, targets = random.standard_normal((4, 5, 2)), random.poisson(3, (4, 5, 1 if loss == "gaussian" else 2))
    model = gnode.models.make("gnode", input_size=2, state_size=3, output_size=2, hidden=(4,), seed=1)
    outputs = np.asarray(model(inputs), float).reshape(20, 2)
    expected = np.exp(outputs) if loss == "poisson" else outputs[:, :1]
    found = answers_of(model, loss, Trials(inputs, targets.astype(float)))
    np.testing.assert_allclose(found.said, expected, rtol=1e-6)
    np.testing.assert_array_equal(found.trial, np.repeat(np.arange(4), 5))


# -- runs --


def trials(kind, count, seed):
    """Ragged series at times of their own; some samples do not count."""
    random = np.random.default_rng(seed)
    lengths = random.integers(4, 9, count)
    classes = np.arange(count) % 3
    values = [random.standard_normal((length, 2)) + one for one, length in zip(classes, lengths, strict=True)]
    times = [np.cumsum(random.uniform(0.005, 0.03, length)) for length in lengths]
    targets = {
        "class a trial": classes,
        "class a sample": [(of_one[:, 0] > 1).astype(int) for of_one in values],
        "numbers": [100 + 20 * of_one[:, :1] for of_one in values],
    }[kind]
    return Trials(Series.of(values, times), targets, mask=[np.arange(length) > 0 for length in lengths])


def train(kind, out, **options):
    sizes = {"input_size": 2, "state_size": 4, "output_size": 1 if kind == "numbers" else 3, "hidden": (6,)}
    model = gnode.models.make("gnode", **sizes, integrator="exponential-euler", scale="standard", seed=1, **options)
    data = Data(*(trials(kind, *of_part) for of_part in ((15, 1), (6, 2), (9, 3))), () if kind == "numbers" else NAMES)
    gnode.train(model, data, out=out, epochs=2, batch_size=5, lr=1e-2)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    reading = {"class a trial": "last"}

    class Runs(dict):  # each is trained when it is first asked for
        def __missing__(self, kind):
            out = folder / kind.replace(" ", "-")
            return self.setdefault(kind, train(kind, out, reading=reading.get(kind, "each")))

    return Runs()


@pytest.fixture(scope="module")
def pages(runs):
    class Pages(dict):
        def __missing__(self, kind):
            return self.setdefault(kind, report([runs[kind]]).read_text())

    return Pages()


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_evaluate_says(runs, pages, kind):
    said, content = evaluate(runs[kind]), content_of(runs[kind])
    assert content.scores.items() <= said.items()
    json.dumps(said, allow_nan=False)
    tiles = re.findall(r'<div class="tile"><b[^>]*>(.*?)</b><span><a[^>]*>(.*?)</a></span>', pages[kind])
    of_name = {name: value for value, name in tiles}
    if kind == "numbers":
        truth, answers = content.answers.truth, content.answers.said
        assert float(of_name["typical error"]) == pytest.approx(np.sqrt(np.mean((truth - answers) ** 2)), rel=5e-3)
        assert truth.mean() == pytest.approx(100, abs=30)  # the user's units, which the model's scale is not
        assert "typical error" in of_name and "accuracy" not in of_name
    else:
        assert of_name["accuracy"] == f"{100 * said['accuracy']:.1f}\u00a0%"
        assert f"{100 * said['accuracy_interval'][0]:.1f} to" in pages[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_sections_are_there_or_not(pages, kind):
    page = pages[kind]
    of_classes = (
        "Confusion matrix",
        "Figures by class",
        "Does it know how sure",
        "States by class",
        "Accuracy against",
    )
    for title in of_classes:
        assert (f"<h3>{title}" in page) == (kind != "numbers")
    for title in ("Errors by channel", "Predicted against true"):
        assert (f"<h3>{title}" in page) == (kind == "numbers")
    for title in ("Sample trials", "Time scales over a series", "How slow each unit is"):
        assert page.count(f"<h3>{title}") == 1
    assert 'id="memory"' not in page and 'id="attractor"' not in page
    assert "<still>" not in page  # names of classes are the user's


def test_a_memory_task_has_its_memory_and_no_predictions(plane_run):
    content = content_of(plane_run)
    assert content.memory is not None and content.scores is None and content.answers is None
    cards = (predictions.confusion, predictions.by_class, predictions.reliability, predictions.states)
    assert [make(content) for make in (*cards, predictions.by_channel, predictions.against_truth)] == [None] * 6
    assert predictions.tiles(content) == []


def test_trials_are_called_by_their_class_and_by_the_answer(runs):
    content = content_of(runs["class a trial"])
    taken = np.asarray(content.model(content.trials.series)).argmax(axis=1)
    for at, example in enumerate(content.examples):
        right, answer = content.trials.targets[at], taken[at]
        mistaken = "" if answer == right else f", taken for {NAMES[answer]}"
        assert example.name == f"trial {at + 1}: {NAMES[right]}{mistaken}"
    assert [example.name for example in content_of(runs["numbers"]).examples] == ["trial 1", "trial 2", "trial 3"]


@pytest.mark.parametrize("kind", KINDS)
def test_time_constants_move_the_states(runs, kind):
    """A step of the exponential rule goes from a state towards F by 1 - exp(-elapsed / (tau / gate))."""
    content = content_of(runs[kind])
    model, series, states = content.model, content.trials.series, content.trial_states.astype(float)
    encoded = model.encoding.encode(series)
    start = np.asarray(model.initial(jnp.asarray(encoded.inputs[:, 0]), None))
    before = np.concatenate([start[:, None], states[:, :-1]], axis=1)
    elapsed = np.broadcast_to(encoded.elapsed, states.shape[:2]) * model.config.tau
    towards = np.asarray(model.field.candidate(jnp.asarray(before, "f4"), jnp.asarray(encoded.inputs)))
    moved = before - np.expm1(-elapsed[..., None] / content.time_constants) * (towards - before)
    np.testing.assert_allclose(moved[series.valid], states[series.valid], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["leaky-node", "node"])
def test_gates_that_do_not_change_are_not_drawn_over_time(runs, kind):
    other = gnode.models.make(kind, input_size=2, state_size=4, output_size=3, hidden=(6,), reading="last")
    content = replace(content_of(runs["class a trial"]), model=other)
    rate = np.asarray(other.field.gate(jnp.zeros(4), jnp.zeros(2)))
    expected = np.broadcast_to(other.config.tau / rate, content.time_constants.shape)
    np.testing.assert_allclose(content.time_constants, expected, rtol=1e-6)
    assert predictions.time_constants(content) is None
    assert (predictions.slowness(content) is None) == (kind == "node")


def test_states_are_those_that_answers_are_read_from(runs):
    content = content_of(runs["class a trial"])
    test, found = content.recorded.test, content.states_read
    ends = np.asarray(content.model.states(test.series))[np.arange(9), test.series.valid.sum(axis=1) - 1]
    spread = np.linalg.svd(ends - ends.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose((found.coordinates**2).sum(axis=0), spread[:2], rtol=1e-4)
    assert sorted(found.classes) == sorted(test.targets)


@pytest.mark.full
def test_states_of_classes_a_sample_are_those_of_samples_that_count(runs):
    content = content_of(runs["class a sample"])
    assert len(content.states_read.classes) == np.count_nonzero(content.recorded.test.counts)


def test_a_run_that_was_stopped_has_its_classes(runs, tmp_path):
    shutil.copytree(runs["class a trial"], tmp_path / "run")
    finished = content_of(runs["class a trial"])
    for name in ("summary.json", "model.safetensors"):
        (tmp_path / "run" / name).unlink()
    stopped = content_of(tmp_path / "run")
    assert stopped.loss == "cross-entropy" and stopped.class_names == list(NAMES)
    assert stopped.scores == finished.scores
