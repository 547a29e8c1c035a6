"""What every registered task obeys: a new member is tested by being registered."""

import dataclasses
import json
import timeit
import tomllib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gnode.tasks
from gnode.errors import InvalidInput

NAMES = sorted(name for name, kind in gnode.tasks.TASKS.items() if issubclass(kind, gnode.tasks.Task))
RECORDED = sorted(set(gnode.tasks.TASKS) - set(NAMES))
MEMORIES = [name for name in NAMES if gnode.tasks.make(name).manifold is not None]
seeds = st.one_of(st.integers(0, 2**70), st.lists(st.integers(0, 2**40), min_size=1, max_size=4))


def equal(a, b):
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets)


@pytest.mark.parametrize("name", sorted(gnode.tasks.TASKS))
def test_name_loss_and_summary(name):
    task = gnode.tasks.make(name)
    assert type(task).name == name
    assert task.loss in ("mse", "cross-entropy", "last-step-cross-entropy")
    assert task.summary and "\n" not in task.summary


@pytest.mark.parametrize("name", NAMES)
def test_fields_survive_json_and_rebuild_the_task(name):
    task = gnode.tasks.make(name, bins=40)
    options = json.loads(json.dumps(dataclasses.asdict(task)))
    assert gnode.tasks.make(name, **options) == task


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_of_any_kind_make_the_same_task(name):
    task = gnode.tasks.make(name, bins=np.int64(40))
    assert task == gnode.tasks.make(name, **tomllib.loads("bins = 40"))
    json.dumps(dataclasses.asdict(task))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(seed=seeds, count=st.integers(1, 7), bins=st.integers(3, 60))
def test_trials_have_their_shapes_and_depend_on_the_seed_alone(name, seed, count, bins):
    task = gnode.tasks.make(name)
    trials = task.sample(count, seed, bins=bins)
    assert trials.inputs.shape == (count, bins, task.input_size)
    assert trials.targets.shape == (count, bins, task.output_size)
    assert trials.inputs.dtype == trials.targets.dtype == np.float32
    assert np.isfinite(trials.inputs).all() and np.isfinite(trials.targets).all()
    np.random.seed(1)  # noqa: NPY002, the global generator must not matter
    assert equal(trials, task.sample(count, seed, bins=bins))
    assert equal(trials, gnode.tasks.make(name, bins=bins).sample(count, seed))


@pytest.mark.parametrize("name", NAMES)
def test_different_seeds_give_different_trials(name):
    task = gnode.tasks.make(name)
    seeds = [0, 1, 2, 2**32, (0,), (1,), (0, 0), (0, 1), (1, 0), (0, 0, 0)]
    draws = [task.sample(3, seed).inputs.tobytes() for seed in seeds]
    same_entropy = 2  # 0 and (0,), 1 and (1,)
    assert len(set(draws)) == len(seeds) - same_entropy


@pytest.mark.parametrize("name", NAMES)
def test_trials_within_a_draw_differ(name):
    inputs = gnode.tasks.make(name).sample(50, 0).inputs
    assert len({trial.tobytes() for trial in inputs}) == 50


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda task: task.sample(0, 0), "count an integer of at least 1"),
        (lambda task: task.sample(2.0, 0), "count an integer"),
        (lambda task: task.sample(2, -1), "seed an integer of at least 0, instead got -1"),
        (lambda task: task.sample(2, None), "seed an integer of at least 0, instead got None"),
        (lambda task: task.sample(2, (1, -1)), "seed an integer of at least 0, instead got -1"),
        (lambda task: task.sample(2, "7"), "seed an integer of at least 0, instead got '7'"),
        (lambda task: task.sample(2, 0, bins=0), "bins an integer"),
        (lambda task: task.sample(2, 0, bins=True), "bins an integer"),
    ],
)
def test_impossible_draws_are_refused(name, call, words):
    with pytest.raises(InvalidInput, match=words):
        call(gnode.tasks.make(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -3, 2.5, "10", None, True])
def test_impossible_bins_are_refused(name, value):
    with pytest.raises(InvalidInput, match="bins an integer"):
        gnode.tasks.make(name, bins=value)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused_with_the_nearest(name):
    with pytest.raises(InvalidInput, match=rf"{name} option out of bins.*instead got 'bin'\. Did you mean 'bins'\?"):
        gnode.tasks.make(name, bin=3)


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(InvalidInput, match=r"instead got 'rign'\. Did you mean 'ring'\?"):
        gnode.tasks.make("rign")


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(MEMORIES)))
def test_a_task_without_a_manifold_has_no_recall(name):
    with pytest.raises(InvalidInput, match="a task that remembers a value"):
        gnode.tasks.make(name).recall(np.zeros((1, 2)), 3)


@pytest.mark.parametrize("name", MEMORIES)
@settings(max_examples=25, deadline=None)
@given(silence=st.integers(0, 30), count=st.integers(1, 5), seed=seeds)
def test_recall_writes_each_value_and_then_is_silent(name, silence, count, seed):
    task = gnode.tasks.make(name)
    values = task.manifold.sample(count, seed).astype(np.float32)
    trials = task.recall(values, silence)
    bins = trials.inputs.shape[1]
    assert not trials.inputs[:, 0].any()
    assert not trials.inputs[:, bins - silence :].any()
    assert trials.inputs[:, bins - silence - 1].any(axis=-1).all()
    assert np.array_equal(trials.mask.sum(axis=1), np.full(count, silence + 1))
    assert trials.mask[:, bins - silence - 1 :].all()
    held = np.broadcast_to(values[:, None], trials.targets.shape)
    assert np.array_equal(trials.targets[trials.mask], held[trials.mask])


@pytest.mark.parametrize("name", MEMORIES)
def test_recall_writes_with_pulses_that_training_has_seen(name):
    task = gnode.tasks.make(name)
    seen = {tuple(channels) for channels in (task.sample(300, 0).inputs != 0).reshape(-1, task.input_size).tolist()}
    recalled = (task.recall(task.manifold.sample(5, 0), 2).inputs != 0).reshape(-1, task.input_size)
    assert {tuple(channels) for channels in recalled.tolist()} <= seen


@pytest.mark.parametrize("name", MEMORIES)
@pytest.mark.parametrize(
    ("values", "silence", "words"),
    [
        (lambda size: np.zeros((2, size + 1)), 1, "values of shape"),
        (lambda size: np.zeros(size), 1, "values of shape"),
        (lambda size: np.zeros((0, size)), 1, "values of shape"),
        (lambda size: np.full((1, size), np.nan), 1, "finite values"),
        (lambda size: np.ones((1, size)), -1, "silence an integer of at least 0"),
        (lambda size: np.ones((1, size)), 1.5, "silence an integer of at least 0"),
    ],
)
def test_impossible_recalls_are_refused(name, values, silence, words):
    task = gnode.tasks.make(name)
    with pytest.raises(InvalidInput, match=words):
        task.recall(values(task.output_size), silence)


@pytest.mark.parametrize("name", MEMORIES)
@settings(max_examples=10, deadline=None)
@given(seed=seeds, count=st.integers(1, 40))
def test_manifold_holds_what_is_sampled_from_it(name, seed, count):
    manifold = gnode.tasks.make(name).manifold
    values = manifold.sample(count, seed)
    assert values.shape == (count, manifold.size)
    assert manifold.distance(values).shape == (count,)
    np.testing.assert_allclose(manifold.distance(values), 0, atol=1e-12)
    assert np.array_equal(values, manifold.sample(count, seed))


@pytest.mark.parametrize("name", MEMORIES)
def test_targets_lie_on_the_manifold(name):
    task = gnode.tasks.make(name)
    assert task.manifold.size == task.output_size
    np.testing.assert_allclose(task.manifold.distance(task.sample(50, 3).targets), 0, atol=1e-6)


@pytest.mark.parametrize("name", MEMORIES)
def test_distance_is_that_to_the_nearest_of_many_samples(name):
    manifold = gnode.tasks.make(name).manifold
    dense = manifold.sample(40_000, 0)
    points = np.random.default_rng(1).uniform(-3, 3, (60, manifold.size))
    nearest = np.array([np.linalg.norm(dense - point, axis=1).min() for point in points])
    distance = manifold.distance(points)
    assert (distance <= nearest + 1e-12).all()
    np.testing.assert_allclose(nearest, distance, atol=0.15)  # 40 000 points in a cube leave gaps
    assert (distance > 0.5).any()
    assert np.array_equal(manifold.distance(points.reshape(6, 10, -1)), distance.reshape(6, 10))


@pytest.mark.parametrize("name", MEMORIES)
def test_distance_refuses_points_of_another_dimension(name):
    manifold = gnode.tasks.make(name).manifold
    with pytest.raises(InvalidInput, match="points of shape"):
        manifold.distance(np.zeros((4, manifold.size + 1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_training_set_is_drawn_without_a_loop_over_trials(name):
    """500 trials take 3 to 5 ms on one core; the limit leaves room for a busy machine, a loop would not keep it."""
    task = gnode.tasks.make(name)
    assert min(timeit.repeat(lambda: task.sample(500, 0), number=1, repeat=7)) < 0.03


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_task_is_rebuilt_from_its_fields_and_refuses_others(name):
    task = gnode.tasks.make(name)
    assert gnode.tasks.make(name, **json.loads(json.dumps(dataclasses.asdict(task)))) == task
    assert task.dt > 0 and name in gnode.data.SETS
    with pytest.raises(InvalidInput, match=f"a {name} option out of"):
        gnode.tasks.make(name, bins=3)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_trials_have_their_sizes_and_are_the_same_for_every_seed(name, data_folder, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(data_folder))
    if not gnode.data.at_hand(name):
        pytest.skip(f"no files of {name} in {data_folder}: gnode data fetch {name}")
    task = gnode.tasks.make(name)
    data = task.data(seed=0)
    assert data.digest() == task.data(seed=1).digest()
    for trials in (data.train, data.validation, data.test):
        assert trials.series.channels == task.input_size
        if task.loss == "mse":
            assert trials.targets.shape == (*trials.series.shape[:2], task.output_size)
        else:
            assert set(trials.targets.tolist()) == set(range(task.output_size))
        gaps = np.broadcast_to(trials.series.elapsed(task.dt), trials.series.shape[:2])[trials.series.valid]
        np.testing.assert_allclose(gaps / task.dt, np.round(gaps / task.dt), atol=1e-9)
