"""Targets: reproducible, nested in their dial, of the statistics that they claim; and what must not pass."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnode.errors import InvalidInput
from gnode.expressivity import TARGETS, draw_targets, read_trajectories
from gnode.expressivity.targets import standardised


@pytest.mark.parametrize("family", sorted(TARGETS))
def test_a_family_is_reproducible_standardised_and_grows_by_adding(family):
    few, many = TARGETS[family].complexities[:2], TARGETS[family].complexities[:3]
    paths = draw_targets(family, many, count=2, samples=65, seed=7)
    assert paths.shape == (3, 2, 65, TARGETS[family].dimension)
    np.testing.assert_allclose(paths.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(paths.std(axis=2), 1, atol=1e-4)
    np.testing.assert_array_equal(paths, draw_targets(family, many, count=2, samples=65, seed=7))
    np.testing.assert_allclose(paths[:2, :1], draw_targets(family, few, count=1, samples=65, seed=7), atol=1e-3)
    assert not np.allclose(paths, draw_targets(family, many, count=2, samples=65, seed=8))
    assert not np.allclose(paths[:, 0], paths[:, 1])


def test_a_longer_gaussian_path_begins_with_the_shorter_one():
    short, long = draw_targets("gaussian-process", (8, 16), count=1, samples=65, seed=0)[:, 0]
    stretched = standardised(long[:33].astype(float))  # the first half of the samples is the first 8 lengths
    np.testing.assert_allclose(stretched, standardised(short[::2].astype(float)), atol=1e-4)


def test_the_gaussian_process_has_its_kernel():
    draw = TARGETS["gaussian-process"].draw
    paths = np.stack([draw(np.random.default_rng(k), np.array([4.0]), 5)[0] for k in range(4000)])  # at 0, 1, 2, 3, 4
    covariance = np.einsum("kad,kbd->ab", paths, paths)
    covariance /= covariance[0, 0]
    distance = np.abs(np.arange(5)[:, None] - np.arange(5))
    np.testing.assert_allclose(covariance, np.exp(-(distance**2) / 2), atol=0.05)


def test_files_of_trajectories(tmp_path: Path):
    paths = np.random.default_rng(0).standard_normal((2, 10, 3))
    np.savez(tmp_path / "a.npz", paths)
    np.testing.assert_array_equal(read_trajectories(tmp_path / "a.npz"), paths)
    table = pd.DataFrame(paths.reshape(20, 3), columns=["x", "y", "z"])
    table.insert(0, "trajectory", ["one"] * 10 + ["two"] * 10)
    table.to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_allclose(read_trajectories(tmp_path / "a.csv"), paths)
    table.iloc[:10].drop(columns="trajectory").to_csv(tmp_path / "b.csv", index=False)
    np.testing.assert_allclose(read_trajectories(tmp_path / "b.csv"), paths[:1])
    table.iloc[:15].to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InvalidInput, match="one length"):
        read_trajectories(tmp_path / "c.csv")
    (tmp_path / "d.csv").write_text("x,y\n1,apple\n")
    with pytest.raises(InvalidInput, match="readable numbers"):
        read_trajectories(tmp_path / "d.csv")
    with pytest.raises(InvalidInput, match="nothing at"):
        read_trajectories(tmp_path / "e.csv")


@pytest.mark.parametrize(
    ("complexities", "samples", "message"),
    [
        ((), 65, "at least one complexity"),
        ((4, 4), 65, "positive and grow"),
        ((4, 2), 65, "positive and grow"),
        ((0, 2), 65, "positive and grow"),
        ((4, 64), 65, "at least two samples a correlation length"),
        ((4,), 2, "samples an integer of at least 3"),
    ],
)
def test_a_dial_that_cannot_be(complexities, samples, message):
    with pytest.raises(InvalidInput, match=message):
        draw_targets("gaussian-process", complexities, count=1, samples=samples, seed=0)


def test_other_targets_that_cannot_be():
    with pytest.raises(InvalidInput, match="Did you mean 'lorenz'"):
        draw_targets("lorentz", count=1, samples=65, seed=0)
    with pytest.raises(InvalidInput, match="whole numbers of tones"):
        draw_targets("tones", (1.5,), count=1, samples=65, seed=0)
    still = np.random.default_rng(0).standard_normal((2, 3, 10, 2))
    still[1, 2, :, 0] = 3.0
    with pytest.raises(InvalidInput, match=r"constant one at index \(1, 2, 0\)"):
        standardised(still)
    still[0, 0, 0, 0] = np.nan
    with pytest.raises(InvalidInput, match="finite"):
        standardised(still)
