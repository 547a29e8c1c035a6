"""Classes: weights in the loss, accuracy beside it, names that stay with the data, and figures of a classifier."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_score, recall_score

import gnode
from gnode.errors import InvalidInput
from gnode.examine import evaluate
from gnode.examine.answers import Answers
from gnode.examine.classification import classification
from gnode.series import Data, Trials
from gnode.training.losses import LOSSES, balanced, total
from gnode.training.settings import Settings

FEW = dict(epochs=3, batch_size=8)
NAMES = ("kick", "snare", "cymbal")


def made(**options):
    sizes = dict(input_size=2, state_size=4, output_size=3, hidden=(6,), seed=1)
    return gnode.models.make("gnode", **{**sizes, **options})


def drawn(seed, each=False, count=40):
    """Ragged series of three classes, of which the last is rare; some samples do not count."""
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 7, count)
    of_trial = random.choice(3, count, p=[0.5, 0.4, 0.1])
    of_trial[:3] = 0, 1, 2
    targets = [random.permutation(np.resize([one, 0], length)) for one, length in zip(of_trial, lengths, strict=True)]
    inputs = [random.standard_normal((length, 2)) + one for one, length in zip(of_trial, lengths, strict=True)]
    mask = [np.arange(length) > 0 for length in lengths]
    return Trials(inputs, targets if each else of_trial, mask=mask)


def told(trials, answers):
    """Truth and the logits that are scored, by hand."""
    rows = []
    for trial in range(len(trials)):
        there = np.flatnonzero(trials.mask[trial])
        if trials.targets.ndim == 1:
            logits = answers[trial] if answers.ndim == 2 else answers[trial, there[-1]]
            rows.append((trials.targets[trial], logits))
        else:
            rows += [(trials.targets[trial, at], answers[trial, at]) for at in there]
    truth, logits = zip(*rows, strict=True)
    return np.array(truth), np.array(logits, float)


@pytest.mark.parametrize(
    ("each", "reading"),
    [
        (False, "last"),
        (True, "each"),
        pytest.param(False, "each", marks=pytest.mark.full),
        pytest.param(False, "mean", marks=pytest.mark.full),
    ],
)
def test_a_run_on_classes(tmp_path, each, reading):
    data = Data(*(drawn(seed, each) for seed in (1, 2, 3)), classes=NAMES)
    weights = [1.0, 2.0, 5.0]
    run = gnode.train(made(reading=reading), data, out=tmp_path / "run", class_weights=weights, **FEW)
    truth, logits = told(data.test, np.asarray(run.model(data.test.series)))
    costs = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(truth)), truth]
    by_class = np.array(weights)[truth]
    assert run.summary["test_loss"] == pytest.approx((costs * by_class).sum() / by_class.sum(), rel=1e-5)
    assert run.summary["test_accuracy"] == pytest.approx(accuracy_score(truth, logits.argmax(axis=1)))
    best = run.history[run.summary["best_epoch"] - 1]
    held_out, at_best = told(data.validation, np.asarray(run.model(data.validation.series)))
    assert best.val_accuracy == pytest.approx(accuracy_score(held_out, at_best.argmax(axis=1)))
    assert run.summary["val_accuracy"] == best.val_accuracy and 0 <= best.train_accuracy <= 1
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["val_accuracy"] for line in lines] == [record.val_accuracy for record in run.history]
    assert run.summary["classes"] == list(NAMES) and run.summary["class_weights"] == weights

    scores = evaluate(tmp_path / "run")
    taken, labels = logits.argmax(axis=1), range(3)
    assert scores["test_loss"] == run.summary["test_loss"] and scores["classes"] == list(NAMES)
    assert scores["accuracy"] == pytest.approx(run.summary["test_accuracy"])
    assert scores["confusion"] == confusion_matrix(truth, taken, labels=labels).tolist()
    assert scores["f1"] == pytest.approx(f1_score(truth, taken, average="macro"))
    found = f1_score(truth, taken, average=None, labels=labels, zero_division=np.nan)
    assert scores["f1_by_class"] == pytest.approx([None if np.isnan(one) else one for one in found])
    for key, score in (("precision_by_class", precision_score), ("recall_by_class", recall_score)):
        found = score(truth, taken, average=None, labels=labels, zero_division=np.nan)
        assert scores[key] == pytest.approx([None if np.isnan(one) else one for one in found])
    assert scores["answers"] == len(truth) == sum(count for _, _, count in scores["reliability"])
    json.dumps(scores, allow_nan=False)


@pytest.mark.full
def test_equal_weights_change_nothing_and_balanced_ones_are_named():
    data = Data(*(drawn(seed) for seed in (1, 2, 3)))
    plain, equal = (gnode.train(made(), data, **FEW, class_weights=weights) for weights in (None, [1, 1, 1]))
    assert [one.val_loss for one in plain.history] == pytest.approx([one.val_loss for one in equal.history], rel=1e-6)
    often = np.bincount(data.train.targets)
    weights = balanced(data.train, 4)
    np.testing.assert_allclose(weights[:3] * often, often.sum() / 3)  # those that occur weigh alike
    assert weights[3] == 1  # and one that never does has no say in it
    named, by_hand = (gnode.train(made(), data, **FEW, class_weights=one) for one in ("balanced", weights[:3]))
    assert named.summary["class_weights"] == list(weights[:3])
    assert named.history == by_hand.history


def test_balanced_counts_what_counts():
    trials = drawn(5, each=True)
    often = np.bincount(trials.targets[trials.mask], minlength=3)
    np.testing.assert_allclose(np.array(balanced(trials, 3)) * often, often.sum() / 3)


def test_a_class_of_weight_zero_costs_nothing():
    answers, targets = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 2, 1, 1])
    sums = total("cross-entropy", answers, targets, np.ones((5, 2)), "samples", (1.0, 0.0, 1.0))
    costs = np.asarray(LOSSES["cross-entropy"].cost(answers, targets))
    assert float(sums.cost) == pytest.approx(costs[[0, 2]].sum(), rel=1e-6) and float(sums.weight) == 2
    assert float(sums.counted) == 5


def test_confidence_that_is_right_so_often_is_calibrated():
    def sure(confidence):
        """Says class 0 with a confidence that depends on the trial."""
        return Answers(np.log(np.stack([confidence, 1 - confidence], axis=1)), as_often, np.arange(20))

    as_often = np.repeat([0, 1, 0, 1], [6, 4, 9, 1])
    calibrated = classification(sure(np.repeat([0.6, 0.9], 10)))
    assert calibrated["calibration_error"] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(calibrated["reliability"], [[0.6, 0.6, 10], [0.9, 0.9, 10]])
    too_sure = classification(sure(np.repeat([0.8, 0.9], 10)))
    assert too_sure["calibration_error"] == pytest.approx(0.5 * 0.2)
    assert too_sure["most_confused"] == [["1", "0", 5]] and too_sure["f1_by_class"][1] == 0
    assert too_sure["most_common"] == 0.75 and too_sure["precision_by_class"][1] is None


def test_names_stay_with_the_data(tmp_path):
    parts = [drawn(seed) for seed in (1, 2, 3)]
    data = Data(*parts, classes=NAMES)
    data.save(tmp_path / "named")
    again = Data.load(tmp_path / "named")
    assert again.classes == NAMES and again.digest() == data.digest() == Data(*parts).digest()
    Data(*parts).save(tmp_path / "plain")
    assert Data.load(tmp_path / "plain").classes == ()
    (tmp_path / "named" / "classes.json").write_text("{")
    with pytest.raises(InvalidInput, match="a list of names of classes"):
        Data.load(tmp_path / "named")
    for wrong in (("a", "b"), ("a", "b", "a")):
        with pytest.raises(InvalidInput, match="a name of its own for each of at least 3 classes"):
            Data(*parts, classes=wrong)


@pytest.mark.parametrize(
    ("weights", "words"),
    [("equal", "'balanced'"), ([1, -1, 1], "at least 0"), ([0, 0, 0], "not all of them 0"), ([1, 2], "each of 3")],
)
def test_class_weights_that_cannot_be(weights, words):
    data = Data(*(drawn(seed) for seed in (1, 2, 3)))
    with pytest.raises(InvalidInput, match=words):
        gnode.train(made(), data, class_weights=weights, **FEW)


def test_numbers_have_no_class_weights():
    with pytest.raises(InvalidInput, match="a loss of classes for class_weights"):
        gnode.train(made(output_size=2), gnode.tasks.make("ring"), class_weights="balanced", epochs=1)
    assert "class_weights" not in Settings().as_dict()
    assert Settings(**Settings(class_weights=[1, 2]).as_dict()).class_weights == (1.0, 2.0)
