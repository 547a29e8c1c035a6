"""Ensembles of seeds: what is averaged, what its members are, and that all of it is kept."""

import copy

import numpy as np
import pytest
from sklearn.base import clone

import gnode
from gnode.errors import InvalidInput
from gnode.estimators import GatedODEClassifier, GatedODEForecaster, GatedODERegressor

SMALL = dict(state_size=4, hidden=(8,), epochs=4, batch_size=8)
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((24, 5, 1))
Y = {GatedODEClassifier: np.arange(24) % 2, GatedODERegressor: X.mean(axis=(1, 2)), GatedODEForecaster: None}


def answers(estimator):
    asked = {GatedODEClassifier: "predict_proba"}.get(type(estimator), "predict")
    return getattr(estimator, asked)(X)


@pytest.mark.parametrize(
    "kind",
    [GatedODEClassifier, *(pytest.param(kind, marks=pytest.mark.full) for kind in Y if kind is not GatedODEClassifier)],
)
def test_answers_are_the_mean_over_models_of_successive_seeds_and_are_kept(tmp_path, kind):
    alone = kind(**SMALL, seed=3).fit(X, Y[kind])
    both = kind(**SMALL, seed=3, members=2).fit(X, Y[kind], out=tmp_path / "fit")
    assert [gnode.models.seed_of(model) for model in both.models_] == [3, 4]
    assert gnode.models.model_bytes(both.model_) == gnode.models.model_bytes(alone.model_)
    assert both.history_ == alone.history_ != both.members_[1].history
    parts = []
    for member in both.members_:
        one = copy.copy(both)
        one.members_ = (member,)
        parts.append(answers(one))
    np.testing.assert_array_equal(parts[0], answers(alone))
    assert np.abs(parts[0] - parts[1]).max() > 1e-3
    wanted = answers(both)
    np.testing.assert_allclose(wanted, (parts[0] + parts[1]) / 2, rtol=1e-12)

    both.save(tmp_path / "saved")
    for name in ("fit", "saved"):
        loaded = kind.load(tmp_path / name)
        assert answers(loaded).tobytes() == wanted.tobytes() and loaded.members == 2
        assert [member.history for member in loaded.members_] == [member.history for member in both.members_]
        second = gnode.load(tmp_path / name / "members" / "2")
        assert gnode.models.model_bytes(second) == gnode.models.model_bytes(both.models_[1])
    assert clone(both).members == 2 and not hasattr(clone(both), "models_")


def test_a_member_that_is_gone_is_told_of(tmp_path):
    GatedODERegressor(**SMALL, members=2).fit(X, Y[GatedODERegressor], out=tmp_path / "run")
    for path in (tmp_path / "run" / "members" / "2").iterdir():
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(InvalidInput, match=r"a run directory with a config\.toml, instead got .*members/2"):
        GatedODERegressor.load(tmp_path / "run")


def test_members_are_counted_from_one(tmp_path):
    with pytest.raises(InvalidInput, match="members an integer of at least 1, instead got 0"):
        GatedODERegressor(**SMALL, members=0).fit(X, Y[GatedODERegressor], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
