"""The training loop against hand-made optimisation, and the facts that a run relies on."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gnode
from gnode.errors import Diverged, InvalidInput
from gnode.models import ModelConfig, draw, trainable
from gnode.training import Data, Settings, Trials, draw_data
from gnode.training.loop import begin, epochs, one_epoch, plan, strength
from gnode.training.losses import LOSSES, total
from gnode.training.schedules import SCHEDULES
from gnode.training.score import Objective, loss_on, show


def small_model(**options):
    sizes = dict(model="gnode", input_size=2, state_size=2, output_size=2, hidden=(8,))
    return draw(ModelConfig(**{**sizes, **options}))


def small_trials(count=12, time=15, seed=0):
    generator = np.random.default_rng(seed)
    return Trials(*generator.standard_normal((2, count, time, 2)).astype("f4"))


def objective(loss="mse", weigh="samples", on_failure="skip"):
    return Objective(loss, weigh, on_failure)


def run_epochs(model, settings, train, validation, loss="mse"):
    _, frozen = eqx.partition(model, trainable(model))
    return list(epochs(frozen, objective(loss), settings, begin(model), train, validation))


def test_one_epoch_is_optax_adamw_with_clipping_written_out():
    model, train = small_model(), small_trials()
    settings = Settings(epochs=2, batch_size=5, lr=0.02, weight_decay=0.3, clip=0.05, schedule="constant", seed=3)
    parameters, frozen = eqx.partition(model, trainable(model))
    optimiser = optax.chain(optax.clip_by_global_norm(0.05), optax.adamw(0.02, weight_decay=0.3))
    state = optimiser.init(parameters)

    @jax.jit
    @jax.grad
    def gradient_of(parameters, some):
        inputs, targets = some
        return jnp.mean((eqx.combine(parameters, frozen)(inputs) - targets) ** 2)

    for epoch in (1, 2):
        today = plan(settings, len(train), epoch)
        for trials, weights in zip(today.trials, today.weights, strict=True):
            chosen = trials[weights > 0]
            gradient = gradient_of(parameters, (train.inputs[chosen], train.targets[chosen]))
            updates, state = optimiser.update(gradient, state, parameters)
            parameters = optax.apply_updates(parameters, updates)
    ours = run_epochs(model, settings, train, small_trials(seed=1))[-1][0].parameters
    for a, b in zip(jax.tree.leaves(parameters), jax.tree.leaves(ours), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_weight_decay_is_multiplied_by_the_rate():
    # With nothing to learn (a mask of the targets' own outputs), AdamW only shrinks: p <- (1 - lr * decay) p.
    model = small_model(initial_state="learned")
    model = eqx.tree_at(lambda m: m.readout.layers[0].weight, model, replace_fn=jnp.zeros_like)
    model = eqx.tree_at(lambda m: m.readout.layers[0].bias, model, replace_fn=jnp.zeros_like)
    still = Trials(np.ones((4, 5, 2), "f4"), np.zeros((4, 5, 2), "f4"))
    settings = Settings(epochs=1, batch_size=4, lr=0.1, weight_decay=0.5, schedule="constant")
    state = run_epochs(model, settings, still, still)[0][0]
    for before, after in zip(jax.tree.leaves(begin(model).parameters), jax.tree.leaves(state.parameters), strict=True):
        np.testing.assert_allclose(after, 0.95 * before, rtol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(1, 9))
def test_every_trial_is_seen_once_an_epoch(trials, batch_size, seed, epoch):
    today = plan(Settings(batch_size=min(batch_size, trials), seed=seed), trials, epoch)
    assert sorted(today.trials[today.weights > 0]) == list(range(trials))


def test_orders_differ_between_epochs_and_seeds():
    orders = [tuple(plan(Settings(seed=s), 50, e).trials.ravel()) for s in (0, 1) for e in (1, 2)]
    assert len(set(orders)) == 4


def test_lowest_validation_loss_is_kept():
    model = small_model()
    settings = Settings(epochs=25, batch_size=4, lr=0.05, schedule="constant")
    results = run_epochs(model, settings, small_trials(), small_trials(seed=1))
    losses = [record.val_loss for _, record in results]
    best = int(np.argmin(losses))
    assert best < len(losses) - 1  # noise is learned, so validation rises in the end and the choice matters
    final = results[-1][0]
    assert float(final.best_loss) == min(losses) and int(final.best_epoch) == best + 1
    for a, b in zip(jax.tree.leaves(final.best_parameters), jax.tree.leaves(results[best][0].parameters), strict=True):
        np.testing.assert_array_equal(a, b)


def test_masked_bins_do_not_count():
    model, plain = small_model(), small_trials()
    mask = np.random.default_rng(5).random(plain.inputs.shape[:2]) < 0.5
    spoiled = np.where(mask[..., None], plain.targets, 1e6).astype("f4")
    outputs = np.asarray(model(plain.inputs))
    expected = ((outputs - plain.targets)[mask] ** 2).mean()
    masked = loss_on(model, objective(), Trials(plain.inputs, spoiled, mask))
    assert masked == pytest.approx(expected, rel=1e-5)


def log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def test_cross_entropies_written_out():
    model, inputs = small_model(output_size=3), small_trials().inputs
    generator = np.random.default_rng(0)
    mask = generator.random(inputs.shape[:2]) < 0.6
    mask[:, 0] = True
    scores = log_softmax(np.asarray(model(inputs), dtype=float))
    classes = generator.integers(0, 3, mask.shape)
    every = -np.take_along_axis(scores, classes[..., None], -1)[..., 0][mask].mean()
    assert loss_on(model, objective("cross-entropy"), Trials(inputs, classes, mask)) == pytest.approx(every)
    last = [np.flatnonzero(row)[-1] for row in mask]
    at_last = -np.mean([scores[trial, bin, classes[trial, 0]] for trial, bin in enumerate(last)])
    whole = Trials(inputs, classes[:, 0], mask)
    for name in ("cross-entropy", "last-step-cross-entropy"):
        assert loss_on(model, objective(name), whole) == pytest.approx(at_last, rel=1e-5)


def test_poisson_and_gaussian_written_out():
    model, inputs = small_model(output_size=4), small_trials().inputs
    generator = np.random.default_rng(1)
    answers = np.asarray(model(inputs), dtype=float)
    counts = generator.poisson(2.0, answers.shape)
    poisson = np.mean(np.exp(answers) - counts * answers)  # the log-likelihood but for what no parameter changes
    assert loss_on(model, objective("poisson"), Trials(inputs, counts)) == pytest.approx(poisson, rel=1e-5)
    means, log_variances = answers[..., :2], answers[..., 2:]
    values = generator.standard_normal(means.shape)
    density = np.exp(-((values - means) ** 2) / 2 / np.exp(log_variances)) / np.sqrt(2 * np.pi * np.exp(log_variances))
    gaussian = np.mean(-np.log(density)) - np.log(2 * np.pi) / 2
    assert loss_on(model, objective("gaussian"), Trials(inputs, values)) == pytest.approx(gaussian, rel=1e-4)


def ragged_trials(lengths, seed=0):
    generator = np.random.default_rng(seed)
    pieces = [generator.standard_normal((2, length, 2)).astype("f4") for length in lengths]
    return Trials([piece[0] for piece in pieces], [piece[1] for piece in pieces])


def test_samples_weigh_alike_or_series_do():
    model, trials = small_model(), ragged_trials((3, 9, 1, 6))
    costs = [
        ((np.asarray(model(trials[at].inputs[:, :length])) - trials[at].targets[:, :length]) ** 2).mean(axis=(0, 2))
        for at, length in enumerate((3, 9, 1, 6))
    ]
    assert loss_on(model, objective(), trials) == pytest.approx(np.concatenate(costs).mean(), rel=1e-5)
    by_series = np.mean([cost.mean() for cost in costs])
    assert loss_on(model, objective(weigh="series"), trials) == pytest.approx(by_series, rel=1e-5)


def test_the_training_loss_is_the_mean_over_what_counts_however_it_falls_into_minibatches():
    # T6: one trial of twelve counts, so eleven minibatches have nothing in them.
    plain = small_trials()
    mask = np.zeros((12, 15), bool)
    mask[4] = True
    trials = Trials(plain.inputs, plain.targets, mask)
    settings = Settings(epochs=1, batch_size=1, lr=1e-12, schedule="constant")
    record = run_epochs(small_model(), settings, trials, trials)[0][1]
    assert record.train_loss == pytest.approx(record.val_loss, rel=1e-5)


def test_a_minibatch_in_which_nothing_counts_leaves_everything_as_it_was():
    # Momentum and weight decay would move the model by themselves.
    plain = small_trials()
    mask = np.zeros((12, 15), bool)
    mask[4] = True
    trials = Trials(plain.inputs, plain.targets, mask)
    settings = Settings(epochs=1, batch_size=1, lr=0.05, weight_decay=0.5, schedule="constant")
    sparse = run_epochs(small_model(), settings, trials, trials)[0][0]
    alone = run_epochs(small_model(), settings, trials[4], trials)[0][0]
    for a, b in zip(jax.tree.leaves(sparse), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weigh", ["samples", "series"])
def test_what_does_not_count_may_cost_anything(loss, weigh):
    """keras#449: 0 times infinity is not 0."""
    answers, targets = np.random.default_rng(0).standard_normal((2, 3, 5, 2))
    weights = np.ones((3, 5), np.float32)
    weights[:, 2] = 0
    weights[1] = 0
    classes = LOSSES[loss].classes
    if classes:
        targets = (targets[..., 0] > 0).astype(int)
    elif loss == "gaussian":
        targets = targets[..., :1]
    cost = jax.value_and_grad(lambda answers, targets: total(loss, answers, targets, weights, weigh)[0])
    wild_answers, wild_targets = answers.copy(), targets.copy()
    for wild, by in ((wild_answers, 1e30), (wild_targets, 7 if classes else 1e30)):
        wild[weights == 0] = by
    (expected, slope), (value, wild_slope) = (
        cost(jnp.asarray(a, jnp.float32), jnp.asarray(b)) for a, b in ((answers, targets), (wild_answers, wild_targets))
    )
    assert value == expected
    np.testing.assert_array_equal(wild_slope, slope)
    assert (np.asarray(slope)[weights == 0] == 0).all()


def test_huge_targets_that_do_not_count_are_never_seen():
    plain = small_trials()
    mask = np.ones((12, 15), bool)
    mask[:, 3] = False
    wild = plain.targets.copy()
    wild[:, 3] = 1e30
    settings = Settings(epochs=2, batch_size=4)
    calm, mad = (
        run_epochs(small_model(), settings, trials, trials)[-1][1]
        for trials in (Trials(plain.inputs, targets, mask) for targets in (plain.targets, wild))
    )
    assert calm == mad


def test_the_size_of_weights_is_no_matter():
    plain = small_trials()
    losses = []
    for size in (1.0, 1e-30, 1e30):
        trials = Trials(plain.inputs, plain.targets, weights=np.full((12, 15), size))
        losses.append(run_epochs(small_model(), Settings(epochs=3, batch_size=5), trials, trials)[-1][1].train_loss)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)


def test_parts_and_stages_in_which_nothing_counts_are_refused():
    """pytorch#116349: a mean over nothing is NaN, and would be blamed on the learning rate."""
    plain = small_trials()
    mask = np.ones((12, 15), bool)
    mask[:4] = False
    mask[:, :2] = False
    trials = Trials(plain.inputs, plain.targets, mask)
    for name, parts in (("validation", (trials, trials[:4], trials)), ("test", (trials, trials, trials[:4]))):
        with pytest.raises(InvalidInput, match=f"samples that count in {name}"):
            Data(*parts)
    data = Data(trials, trials, trials)
    with pytest.raises(InvalidInput, match="counts from epoch 1 on, instead got 2 samples"):
        gnode.train(small_model(), data, epochs=3, batch_size=4, curriculum=[(1, 2), (2, 15)])
    assert np.isfinite(
        gnode.train(small_model(), data, epochs=2, batch_size=4, curriculum=[(1, 3)]).history[0].val_loss
    )
    with pytest.raises(InvalidInput, match="of which something counts"):
        loss_on(small_model(), objective(), trials[:4])


def test_counts_below_0_are_refused():
    """pytorch#184030. Poisson's loss of them has no least value."""
    plain = small_trials()
    counts = np.abs(plain.targets).round()
    mask = np.ones((12, 15), bool)
    mask[1, 2] = False
    counts[1, 2] = -1
    gnode.train(small_model(), Data(*[Trials(plain.inputs, counts, mask)] * 3), loss="poisson", epochs=1, batch_size=4)
    with pytest.raises(InvalidInput, match="at least 0 for poisson, instead got -1 in series 1, sample 2"):
        gnode.train(small_model(), Data(*[Trials(plain.inputs, counts)] * 3), loss="poisson", epochs=1, batch_size=4)


@pytest.mark.parametrize("classes", [2, pytest.param(4, marks=pytest.mark.full)])
def test_length_classes_change_no_minibatch_and_no_loss(classes):
    model, trials = small_model(), ragged_trials((3, 9, 1, 6, 2, 17, 4))
    settings = Settings(epochs=2, batch_size=3, lr=0.05, schedule="constant")
    _, frozen = eqx.partition(model, trainable(model))
    rectangle, ragged = (
        list(epochs(frozen, objective()._replace(classes=number), settings, begin(model), trials, trials))
        for number in (0, classes)
    )
    for a, b in zip(jax.tree.leaves(ragged[-1][0]), jax.tree.leaves(rectangle[-1][0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [pytest.param(loss, marks=[] if loss in ("mse", "gaussian") else pytest.mark.full) for loss in LOSSES],
)
def test_every_loss_falls_when_trained(loss):
    plain = small_trials()
    classes = (plain.inputs[..., 0].cumsum(1) > 0).astype(np.int64)
    outputs = {"gaussian": 4}.get(loss, 2)
    targets = {
        "mse": plain.inputs * 0.5,
        "cross-entropy": classes,
        "last-step-cross-entropy": classes[:, -1],
        "poisson": np.exp(plain.inputs).round(),
        "gaussian": plain.inputs * 0.5,
    }[loss]
    trials = Trials(plain.inputs, targets)
    model, data = small_model(output_size=outputs), Data(trials, trials, trials)
    history = gnode.train(model, data, loss=loss, epochs=40, batch_size=6, lr=0.02).history
    first, last = history[0].train_loss, history[-1].train_loss
    assert last < first - 0.3 * abs(first)


def test_curriculum_shows_only_the_first_bins():
    model, train = small_model(), small_trials()
    spoiled = Trials(train.inputs, np.concatenate([train.targets[:, :5], np.full((12, 10, 2), 9e3, "f4")], axis=1))
    settings = Settings(epochs=1, batch_size=12, curriculum=((1, 5),), schedule="constant")
    short = Trials(train.inputs[:, :5], train.targets[:, :5])
    with_curriculum = run_epochs(model, settings, spoiled, train)[0][0]
    by_hand = run_epochs(model, Settings(epochs=1, batch_size=12, schedule="constant"), short, train)[0][0]
    for a, b in zip(jax.tree.leaves(with_curriculum.parameters), jax.tree.leaves(by_hand.parameters), strict=True):
        np.testing.assert_array_equal(a, b)


def test_early_stopping_waits_for_its_patience():
    run = gnode.train(
        small_model(), Data(small_trials(), small_trials(seed=1), small_trials(seed=2)), epochs=500, batch_size=4,
        lr=0.05, patience=7, schedule="constant",
    )  # fmt: skip
    assert run.history[-1].epoch < 500
    assert run.history[-1].epoch - run.summary["best_epoch"] == 7


def test_divergence_says_where_and_what_to_try(tmp_path):
    trials = small_trials()
    huge = Trials(trials.inputs, trials.targets * np.float32(1e25))
    with pytest.raises(Diverged, match=r"diverged in epoch 1 of 3: .*lower learning rate"):
        gnode.train(small_model(), Data(huge, huge, huge), epochs=3, batch_size=4, out=tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert not (tmp_path / "run" / "summary.json").exists()


def test_three_draws_are_three_sets():
    data = draw_data(gnode.tasks.make("ring"), Settings(train_trials=20, validation_trials=20, test_trials=20))
    inputs = [trials.inputs for trials in (data.train, data.validation, data.test)]
    assert not any((inputs[i] == inputs[j]).all() for i, j in ((0, 1), (0, 2), (1, 2)))


def test_schedules():
    progress = np.linspace(0.01, 100, 1000)
    rise = SCHEDULES["warmup-cosine"](progress, 100, 10, 0.01)
    assert rise.max() == pytest.approx(1.0, abs=1e-3) and progress[rise.argmax()] == pytest.approx(10, abs=0.2)
    assert rise[-1] == pytest.approx(0.01) and rise[0] == pytest.approx(0.001, rel=1e-6)
    assert np.interp(55.0, progress, rise) == pytest.approx((1 + 0.01) / 2, rel=1e-3)  # half-way down
    assert (np.diff(SCHEDULES["cosine"](progress, 100, 0, 0.0)) <= 0).all()
    assert (SCHEDULES["constant"](progress, 100, 10, 0.01) == 1).all()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (dict(epochs=0), "epochs an integer of at least 1"),
        (dict(batch_size=-1), "batch_size an integer"),
        (dict(batch_size=501), "batch_size at most the 500 training trials"),
        (dict(lr=0.0), "lr a positive number"),
        (dict(lr=float("inf")), "lr a positive number"),
        (dict(weight_decay=-0.1), "weight_decay a non-negative number"),
        (dict(schedule="cosin"), "Did you mean 'cosine'"),
        (dict(loss="mae"), "a loss out of"),
        (dict(loss="cross-entropy"), "integer classes"),
        (dict(epoch=3), "Did you mean 'epochs'"),
        (dict(learning_rate=0.1), "Did you mean 'lr'"),
        (dict(curriculum=[(2, 10)]), "begins at epoch 1"),
        (dict(curriculum=[3]), "(from_epoch, bins) pairs"),
    ],
)
def test_wrong_settings_get_one_clear_line_and_write_nothing(tmp_path, settings, line):
    with pytest.raises(InvalidInput) as error:
        gnode.train(small_model(), gnode.tasks.make("ring"), out=tmp_path / "run", **settings)
    assert line in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_trials_that_do_not_fit_are_refused():
    good = small_trials()
    holes = np.where(good.inputs > 2, np.nan, good.inputs)
    for bad, line in [
        (Trials(good.inputs, good.targets[..., :1]), "in validation the same targets"),
        (Trials(holes, good.targets), "inputs that are all there.*hold-with-observed"),
    ]:
        with pytest.raises(InvalidInput, match=line):
            gnode.train(small_model(), Data(good, bad, good), epochs=1, batch_size=4)
    for options, line in [(dict(input_size=1), "inputs of size 1"), (dict(output_size=3), "targets of shape")]:
        with pytest.raises(InvalidInput, match=line):
            gnode.train(small_model(**options), Data(good, good, good), epochs=1, batch_size=4)
    for targets, mask, line in [
        (np.full_like(good.targets, np.inf), None, "float32"),
        (good.targets, np.zeros((12, 15), bool), "a mask that lets some bins count"),
    ]:
        with pytest.raises(InvalidInput, match=line):
            Trials(good.inputs, targets, mask)


def test_a_fixed_random_state_stays_where_it_was():
    model = small_model(initial_state="fixed-random")
    run = gnode.train(model, gnode.tasks.make("ring"), epochs=2, weight_decay=1.0, train_trials=20, test_trials=5)
    np.testing.assert_array_equal(run.model.initial.value, model.initial.value)


def test_the_population_arguments_are_arguments():
    # Rates, decay and clip enter as arrays, so that runs which differ in them share one compiled program.
    model = small_model()
    train = show(model, small_trials())
    _, frozen = eqx.partition(model, trainable(model))
    text = [
        json.dumps(
            str(
                jax.make_jaxpr(lambda s, p: one_epoch(frozen, objective(), s, begin(model), train, train, p)[1])(
                    strength(settings), plan(settings, 12, 1)
                )
            )
        )
        for settings in (Settings(lr=0.1, batch_size=4), Settings(lr=0.2, weight_decay=0.7, clip=0.0, batch_size=4))
    ]
    assert text[0] == text[1]
