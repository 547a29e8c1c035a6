"""A run on data of one's own keeps them: it is trained again, evaluated, analysed and reported on."""

import json
import shutil

import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.examine import analyse, evaluate
from gnode.examine.content import content_of
from gnode.report import report
from gnode.series import Data, Series, Trials
from gnode.training.experiment import experiment_from, train_experiment
from gnode.training.progress import Silent


def ragged(count: int, seed: int, classes: bool) -> Trials:
    random = np.random.default_rng(seed)
    values = [random.standard_normal((random.integers(5, 12), 2)) for _ in range(count)]
    times = [np.cumsum(random.uniform(0.005, 0.05, len(one))) for one in values]
    labels = random.integers(0, 3, count)
    targets = labels if classes else [one.cumsum(axis=0)[:, :1] for one in values]
    return Trials(Series.of([one + label for one, label in zip(values, labels, strict=True)], times), targets)


def own(classes: bool) -> Data:
    return Data(ragged(12, 0, classes), ragged(5, 1, classes), ragged(6, 2, classes))


def model(classes: bool):
    return gnode.models.make(
        "gru", input_size=2, state_size=3, output_size=3 if classes else 1, integrator="exponential-euler"
    )


@pytest.fixture(scope="module", params=[False, True], ids=["numbers", "classes"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "run"
    return gnode.train(model(request.param), own(request.param), epochs=2, batch_size=4, out=folder), request.param


@pytest.mark.parametrize("classes", [False, True])
def test_data_are_the_same_after_a_round_trip(tmp_path, classes):
    data = own(classes)
    data.save(tmp_path / "data")
    assert Data.load(tmp_path / "data").digest() == data.digest()
    (tmp_path / "data" / "test-targets.npz").write_bytes(b"PK damaged")
    with pytest.raises(InvalidInput, match=r"^Must have a whole file of targets"):
        Data.load(tmp_path / "data")


def test_its_config_trains_it_again(run, tmp_path):
    run, _ = run
    again = train_experiment(
        experiment_from(str(run.path / "config.toml"), {}), out=tmp_path / "again", resume=False, watcher=Silent()
    )
    assert again.summary["test_loss"] == run.summary["test_loss"]
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (run.path / "model.safetensors").read_bytes()


def test_it_is_evaluated_on_its_test_trials(run):
    run, _ = run
    assert evaluate(run.path) == {"loss": run.summary["loss"], "test_loss": run.summary["test_loss"], "trials": 6}
    for wrong in ({"trials": 5}, {"silence": 10}):
        with pytest.raises(InvalidInput, match=r"^Must have no --"):
            evaluate(run.path, **wrong)


def test_it_is_analysed_and_its_page_shows_that_data(run):
    run, classes = run
    content = content_of(run.path)
    examples = content.examples
    shortest = int(own(classes).test[:3].series.valid.sum(axis=1).min())
    assert examples.times.shape == (3, shortest) and (np.diff(examples.times) > 0).all()
    if classes:
        np.testing.assert_allclose(examples.outputs.sum(axis=-1), 1, atol=1e-5)
        assert (examples.targets.sum(axis=-1) == 1).all()
    states = np.asarray(run.model.states(own(classes).test.series))
    assert len(content.visited) >= own(classes).test.series.valid.sum() and np.isin(states[0, 0], content.visited).all()
    numbers = json.loads(analyse(run.path).read_text())
    assert "fixed_points" in numbers
    assert "Sample trials" in report([run.path]).read_text()


def test_a_run_that_lost_its_data_says_so(run, tmp_path):
    run, _ = run
    copy = shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(copy / "data")
    with pytest.raises(InvalidInput, match="a run that kept its data"):
        evaluate(copy)


def test_the_same_weights_are_scored_under_another_integrator(run):
    run, classes = run
    result = evaluate(run.path, integrator="rk4")
    other, series = run.model.under("rk4"), own(classes).test.series
    difference = np.abs(np.asarray(other(series)) - np.asarray(run.model(series)))[series.valid].max()
    assert result["largest_difference"] == pytest.approx(difference, rel=1e-5) and difference > 1e-4
    assert result["other_loss"] != result["test_loss"] == run.summary["test_loss"]
