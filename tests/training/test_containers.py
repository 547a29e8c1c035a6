"""What users hand over by mistake is refused in one sentence; NumPy's numbers are as good as Python's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gnode
from gnode.errors import InvalidInput
from gnode.series import Series
from gnode.training import Data, Trials, draw_data, make_settings

X = np.random.default_rng(0).standard_normal((4, 5, 2)).astype("f4")
SIZES = dict(input_size=2, state_size=3, output_size=2)
TRIALS = Trials(X, X)
MODEL = gnode.models.make("rnn", **SIZES)
TOLD = gnode.models.make("rnn", **SIZES, initial_state="first-target")
GAUSSIAN = gnode.models.make("rnn", **{**SIZES, "output_size": 4}, initial_state="first-target")
EMPTY, NO_BINS = X[:0], X[:, :0]
ALL_THREE = Data(TRIALS, TRIALS, TRIALS)
FEW = dict(epochs=1, batch_size=2)


def one_sentence(call, words):
    with pytest.raises(InvalidInput) as error:
        call()
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ((TRIALS, TRIALS, TRIALS), "instead got tuple. For data of your own: Data(train, validation, test)"),
        (TRIALS, "instead got Trials"),
        ("ring", "gnode.tasks.make"),
        (gnode.tasks.TASKS["ring"], "instead got the class RingTask"),
        (None, "instead got NoneType"),
    ],
)
def test_what_is_no_task_and_no_data_is_refused(task, words):
    one_sentence(lambda: gnode.train(MODEL, task, **FEW), words)


def test_swapped_arguments_are_refused():
    one_sentence(lambda: gnode.train(gnode.tasks.make("ring"), MODEL, **FEW), "a model (gnode.models.make) to train")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Trials(X.astype(object), X), "real numbers for data"),
        (lambda: Trials("abc", X), "real numbers for data"),
        (lambda: Trials(None, X), "real numbers for data"),
        (lambda: Trials({"x": X}, X), "real numbers for data"),
        (lambda: Trials(EMPTY, EMPTY), "at least one series"),
        (lambda: Trials(NO_BINS, NO_BINS), "at least one sample"),
        (lambda: Trials([], []), "at least one series"),
        (lambda: TRIALS[:0], "at least one series"),
        (lambda: Data(TRIALS, TRIALS[:0], TRIALS), "at least one series"),
        (lambda: Data(TRIALS, (X, X), TRIALS), "Trials as validation"),
        (lambda: MODEL(EMPTY), "at least one trial and sample"),
        (lambda: MODEL(NO_BINS), "at least one trial and sample"),
        (lambda: MODEL([]), "at least one series"),
        (lambda: MODEL(X.astype(complex)), "real numbers"),
        (lambda: MODEL(X.astype(object)), "real numbers"),
        (lambda: MODEL(X.astype(float) * 1e39), "float32 can hold"),
        (lambda: MODEL(X, X[:, 0]), "no first targets for a model that never reads them"),
        (lambda: MODEL.states(X, X[:, 0]), "no first targets for a model that never reads them"),
        (lambda: MODEL.begin(X[:, 0], X[:, 0]), "no first targets for a model that never reads them"),
        (lambda: TOLD(X, np.ma.masked_greater(X[:, 0], 0)), "finite first_targets"),
        (lambda: MODEL(Series.of(X), mask=np.ones((4, 5), bool)), "neither times nor mask beside a Series"),
        (lambda: MODEL(Series.of(X), times=np.arange(5)), "neither times nor mask beside a Series"),
        (lambda: MODEL([X[0], X[1, :2]], mask=np.ones((2, 5), bool)), "an array of numbers for inputs with a mask"),
        (lambda: MODEL(X, mask=np.ones((4, 5))), "a mask of booleans"),
        (lambda: MODEL.field_at(np.ma.array([1.0, 9e9], mask=[0, 1])), "an input to hold that is finite"),
        (lambda: MODEL.map_at(np.array([np.nan, 0.0])), "an input to hold that is finite"),
        (lambda: MODEL.states(EMPTY), "at least one trial and sample"),
        (lambda: jax.grad(lambda x: MODEL(x).sum())(jnp.zeros((0, 5, 2))), "at least one trial and sample"),
        (lambda: jax.grad(lambda x: MODEL(x).sum())(jnp.zeros((4, 0, 2))), "at least one trial and sample"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_containers_and_empty_ones_are_one_sentence(call, words):
    one_sentence(call, words)


@pytest.mark.parametrize(
    "first_targets",
    [X[:, 0, :1], X[:3, 0], X[0, 0], X, np.full((4, 2), np.nan)],
    ids=lambda array: str(np.shape(array)),
)
def test_first_targets_that_do_not_fit_are_one_sentence(first_targets):
    one_sentence(lambda: TOLD(X, first_targets), "first_targets")
    one_sentence(lambda: TOLD.states(X, first_targets), "first_targets")


def test_first_targets_that_are_not_there_are_one_sentence():
    one_sentence(lambda: TOLD(X), "first_targets")
    one_sentence(lambda: gnode.train(GAUSSIAN, ALL_THREE, loss="gaussian", **FEW), "another initial_state for gaussian")


def test_a_mask_beside_a_masked_array_hides_what_either_hides():
    model = gnode.models.make("rnn", **SIZES, missing="hold")
    masked = np.ma.masked_greater(X, 1.0)
    mask = np.ones(X.shape, bool)
    mask[0, 1:3, 0] = False
    either = np.where((X > 1.0) | ~mask, np.nan, X)
    np.testing.assert_array_equal(model(masked, mask=mask), model(either))


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.longdouble, "f2", ">i4", "u1"])
def test_arrays_of_any_machine_are_arrays(dtype):
    whole = np.round(np.abs(X))
    np.testing.assert_array_equal(MODEL(whole.astype(dtype)), MODEL(whole))
    assert Trials(whole.astype(dtype), whole.astype(dtype).astype("f4")).digest() == Trials(whole, whole).digest()


def test_lists_are_arrays():
    np.testing.assert_array_equal(MODEL(X.tolist()), MODEL(X))
    assert Trials(X.tolist(), X.tolist()).digest() == TRIALS.digest()


def test_numbers_of_numpy_are_numbers():
    plain = gnode.models.make("gnode", **SIZES, hidden=(3, 4), dt=0.25, leak=True, seed=3)
    numpy = gnode.models.make(
        "gnode", input_size=np.int64(2), state_size=np.int32(3), output_size=np.uint8(2), hidden=np.array([3, 4]),
        dt=np.float32(0.25), leak=np.bool_(True), seed=np.int64(3),
    )  # fmt: skip
    assert numpy.config == plain.config and gnode.models.model_bytes(numpy) == gnode.models.model_bytes(plain)
    settings = dict(epochs=2, batch_size=2, lr=0.5, curriculum=[[1, 3]], seed=1, clip=1.0)
    of_numpy = dict(
        epochs=np.int64(2), batch_size=np.uint8(2), lr=np.float32(0.5), curriculum=np.array([[1, 3]]), seed=np.int32(1),
        clip=np.float64(1.0),
    )  # fmt: skip
    assert make_settings(**of_numpy) == make_settings(**settings)
    assert make_settings(**of_numpy).as_dict() == make_settings(**settings).as_dict()


@pytest.mark.parametrize(
    "numbers", [dict(epochs=2.0), dict(epochs=True), dict(lr="0.1"), dict(lr=True), dict(seed=None)]
)
def test_what_is_no_number_is_refused(numbers):
    one_sentence(lambda: gnode.train(MODEL, ALL_THREE, **{**FEW, **numbers}), next(iter(numbers)))


def test_a_task_with_data_and_one_with_sample_are_taken():
    settings = make_settings(train_trials=3, validation_trials=2, test_trials=2, seed=5)

    class Sampling:
        def sample(self, count, seed):
            return gnode.tasks.make("ring").sample(count, seed)

    assert draw_data(Sampling(), settings).digest() == draw_data(gnode.tasks.make("ring"), settings).digest()
    assert draw_data(ALL_THREE, settings) is ALL_THREE
