"""What training says beside its losses: steps that overshoot, a test set that nothing could be solved of; and what it
leaves out of files, as it is not read."""

import json
import tomllib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import gnode
from gnode.errors import InvalidInput
from gnode.integrate import RULES
from gnode.series import Data, Series, Trials
from gnode.sweeps.grid import read_plan
from gnode.training import RunDirectory
from gnode.training.constant import another_rate, constant_loss
from gnode.training.score import loss_on
from gnode.training.train import overshooting, prepare

VALUES = np.random.default_rng(0).standard_normal((4, 5, 1))


def data_with_a_gap(seconds: float) -> Data:
    """A tenth of a second between samples, but once, in the test set."""
    times = 1.7e9 + 0.1 * np.arange(5.0)
    short = Trials(Series.of(VALUES, times), VALUES)
    return Data(short, short, Trials(Series.of(VALUES, times + np.where(np.arange(5) > 2, seconds - 0.1, 0)), VALUES))


def small(integrator: str, **options) -> gnode.models.Model:
    sizes = dict(input_size=1, state_size=2, output_size=1, hidden=(4,), dt=0.1, tau=0.1)
    return gnode.models.make("gnode", integrator=integrator, **{**sizes, **options})


@pytest.mark.parametrize(
    ("integrator", "tau", "said"),
    [
        ("euler", 1.9, False),
        ("euler", 2.1, True),
        ("rk4", 2.7, False),
        ("rk4", 2.8, True),
        ("exponential-euler", 1e6, False),
        ("tsit5", 3.0, False),
    ],
)
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_gap_over_which_a_step_overshoots_is_named(integrator, tau, said, unit):
    times = unit * np.array([0, 1, 2, 3, 3 + tau])
    even, uneven = (Trials(Series.of(VALUES, clock), VALUES) for clock in (unit * np.arange(5.0), times))
    words = overshooting(small(integrator, dt=unit, tau=unit), Data(even, even, uneven))
    named = f"The longest time between samples is {tau * unit:g} s, {tau:g} tau, and a step of {integrator} overshoots"
    assert (named in words and "exponential-euler is stable" in words) if said else not words


def test_gaps_are_named_once_before_training(capsys):
    chosen = dict(epochs=2, batch_size=4, lr=1e-6)
    gnode.train(small("euler"), data_with_a_gap(0.3), **chosen)
    assert capsys.readouterr().err.count("overshoots") == 1
    for options in ({"elapsed": "input"}, {"leak": False}):  # no step is as long, or nothing decays
        assert not overshooting(small("euler", **options), data_with_a_gap(1e3))


@pytest.mark.parametrize("name", ["euler", "rk4"])
def test_the_longest_step_of_a_rule_is_where_the_leak_begins_to_grow(name):
    model = gnode.models.make("node", input_size=1, state_size=1, output_size=1, hidden=(), tau=1.0, integrator=name)
    leak = eqx.tree_at(lambda model: model.field, model, jax.tree.map(jnp.zeros_like, model.field))
    for part, grows in ((1 - 1e-3, False), (1 + 1e-3, True)):
        after = leak.map_at(np.zeros(1), elapsed=part * RULES[name].longest)(np.ones(1, np.float32))
        assert (abs(float(after[0])) > 1) is grows


def test_a_test_loss_that_is_no_number_is_null(tmp_path, capsys):
    """JSON knows neither NaN nor infinity: jbuehl/solaredge#48, esnet/iperf#370. Flows: test_failed_solves.py."""
    calm, wild = Trials(VALUES, VALUES), Trials(1e30 * VALUES, VALUES)
    model = gnode.models.make("node", input_size=1, state_size=2, output_size=1, hidden=(32,))
    run = gnode.train(model, Data(calm, calm, wild), out=tmp_path / "run", epochs=1, batch_size=4, lr=1e-9)
    assert run.summary["test_loss"] is None
    assert "The loss on the 4 test trials is no number" in capsys.readouterr().err

    def refuse(word):
        raise AssertionError(word)

    stored = json.loads((tmp_path / "run" / "summary.json").read_text(), parse_constant=refuse)
    assert stored["test_loss"] is None and stored["val_loss"] > 0


def test_numbers_of_trials_are_not_written_where_none_are_drawn(tmp_path):
    trials = Trials(VALUES, VALUES)
    own = Data(trials, trials, trials)
    gnode.train(small("euler"), own, out=tmp_path / "own", epochs=1, batch_size=4)
    gnode.train(small("euler", input_size=2, output_size=2), gnode.tasks.make("ring"), out=tmp_path / "ring", epochs=1,
                batch_size=4, train_trials=4, validation_trials=2, test_trials=2)  # fmt: skip
    keys = {name: tomllib.loads((tmp_path / name / "config.toml").read_text())["training"] for name in ("own", "ring")}
    assert "train_trials" not in keys["own"] and keys["ring"]["train_trials"] == 4
    assert keys["ring"].keys() - keys["own"].keys() == {"train_trials", "validation_trials", "test_trials"}


def test_a_run_whose_file_has_them_still_is_resumed(tmp_path):
    """As those of an older version."""
    trials = Trials(VALUES, VALUES)
    own, chosen = Data(trials, trials, trials), dict(epochs=2, batch_size=4)
    gnode.train(small("euler"), own, out=tmp_path / "run", **chosen)
    file = tmp_path / "run" / "config.toml"
    file.write_text(file.read_text().replace("[training]\n", "[training]\ntrain_trials = 500\ntest_trials = 500\n"))
    assert RunDirectory(tmp_path / "run").config()["training"]["train_trials"] == 500
    assert gnode.train(small("euler"), own, out=tmp_path / "run", resume=True, **chosen).history == []
    with pytest.raises(InvalidInput, match=r"another training\.lr"):
        gnode.train(small("euler"), own, out=tmp_path / "run", resume=True, lr=1.0, **chosen)


def test_run_ids_on_data_sets_stay(tmp_path):
    """They are a hash of all keys, these included."""
    plan = tmp_path / "plan.toml"
    plan.write_text('[task]\nname = "walker2d"\n[grid]\nlr = [0.1]\n')
    assert read_plan(str(plan)).runs[0].config["training"]["train_trials"] == 500


@pytest.mark.parametrize("loss", ["mse", "poisson", "gaussian", "cross-entropy"])
@pytest.mark.parametrize("weigh", ["samples", "series"])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_no_constant_answer_costs_less_than_the_best(loss, weigh, scale):
    random = np.random.default_rng(1)
    classes, outputs = loss == "cross-entropy", 4
    shape = (6, 7) if classes else (6, 7, outputs // (2 if loss == "gaussian" else 1))
    targets = random.integers(0, 3, shape) if classes else random.poisson(2.0, shape) + 0.5 * (loss != "poisson")
    mask = random.random((6, 7)) < 0.8
    mask[:, 0] = True
    if weigh == "series":  # the constant is that of samples
        mask[:] = True
    trials = Trials(random.standard_normal((6, 7, 1)), targets, mask)
    weights = (1.0, 3.0, 0.5, 1.0) if classes else None
    settings = gnode.training.make_settings(batch_size=2, loss=loss, weigh=weigh, class_weights=weights)
    model = gnode.models.make("rnn", input_size=1, state_size=2, output_size=outputs, scale=scale)
    model, data, objective = prepare(model, Data(trials, trials, trials), settings)
    least = constant_loss(model, objective, data)

    def answered(constant):  # by a network whose readout has no weights
        still = eqx.tree_at(
            lambda each: (each.readout.layers[-1].weight, each.readout.layers[-1].bias),
            model,
            (jnp.zeros((outputs, 2)), jnp.asarray(constant, jnp.float32)),
        )
        return loss_on(still, objective, data.validation)

    found = scipy.optimize.minimize(answered, np.full(outputs, 0.1), method="Nelder-Mead", options=dict(maxiter=3000))
    assert found.fun == pytest.approx(least, rel=2e-3, abs=2e-3) and least < found.fun + 1e-4


def test_a_network_that_learned_nothing_is_told_of(capsys):
    task = gnode.tasks.make("ring", bins=20)
    sizes = dict(train_trials=40, validation_trials=20, test_trials=5)
    model = gnode.models.make("gru", input_size=2, state_size=4, output_size=2)
    for epochs, lr, said in ((10, 1e-9, 1), (9, 1e-9, 0), (20, 1e-2, 0)):
        run = gnode.train(model, task, epochs=epochs, lr=lr, **sizes)
        words = capsys.readouterr().err
        assert (
            words.count("nothing was learned of the inputs. Try a larger lr, such as 0.01 (now 1e-09); scale") == said
        )
        assert (run.summary["val_loss"] < 1.5) == (not said and epochs == 20)


@pytest.mark.parametrize(
    "lr, said",
    [(1e-3, "a larger lr, such as 0.01"), (2e-3, "a larger or a smaller lr"), (0.09, "a larger or a smaller lr"),
     (0.1, "a smaller lr, such as 0.01")],
)  # fmt: skip
def test_the_direction_of_another_rate_is_said_where_it_is_known(lr, said):
    assert another_rate(lr) == f"{said} (now {lr:g})"
