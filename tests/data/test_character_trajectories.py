"""Characters: splits and missing samples; the three layouts of the files give the same series."""

import zipfile

import numpy as np
import pytest
from scipy.io import savemat

from gnode.data import character_trajectories as characters
from gnode.data import load


def test_the_labelled_half(data_folder, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(data_folder))
    half = load("character-trajectories-half")
    lengths = [len(series) for series in half.series]
    assert (len(half.series), min(lengths), max(lengths)) == (1429, 61, 182)
    counts = np.bincount(half.labels)
    assert (len(counts), counts.min(), counts.max()) == (20, 57, 96)
    assert "".join(half.classes) == "abcdeghlmnopqrsuvwyz"
    assert all(series[[0, -1]].any(axis=1).all() and series.dtype == np.float32 for series in half.series)


def made_up():
    """Cells as MATLAB has them, zero at both ends, and what is in them."""
    random = np.random.default_rng(0)
    inner = [random.standard_normal((3, random.integers(5, 9))) for _ in range(6)]
    inner[0][:, 2] = 0.0  # a silent sample within
    inner[1][0, 0] = 0.0  # one channel at the first sample
    cells = np.empty((1, 6), object)
    for at, series in enumerate(inner):
        cells[0, at] = np.pad(series, ((0, 0), (at, 2)))
    letters = np.empty((1, 3), object)
    letters[0] = ["a", "b", "g"]
    return cells, np.array([[1, 3, 2, 2, 1, 3]], np.uint8), letters, inner


def test_the_layouts_of_the_originals(tmp_path):
    cells, labels, letters, inner = made_up()
    constants = {"setindices": [[1.0]], "pressures": [[1.0]], "thresh": 0.5, "ds": "made up", "charlabels": labels}
    savemat(tmp_path / "mixoutALL_shifted.mat", {"mixout": cells, "consts": {**constants, "dt": 0.005, "key": letters}})
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        archive.write(tmp_path / "mixoutALL_shifted.mat", "mixoutALL_shifted.mat")
    savemat(tmp_path / "course.mat", {"xtrain": cells, "ytrain": labels, "key": letters})
    np.savez(
        tmp_path / "half.npz",
        values=np.concatenate([series.T for series in inner]).astype(np.float32),
        lengths=np.array([series.shape[1] for series in inner], np.int16),
        labels=(labels[0] - 1).astype(np.uint8),
        classes=np.array(["a", "b", "g"]),
    )
    conversion, course = characters.HALF.forms
    for form, file in ((characters.ALL.original, "whole.zip"), (course, "course.mat"), (conversion, "half.npz")):
        found = form.read([tmp_path / file])
        assert found.classes == ["a", "b", "g"] and found.labels.tolist() == [0, 2, 1, 1, 0, 2]
        for one, series in zip(found.series, inner, strict=True):
            assert one.dtype == np.float32
            np.testing.assert_array_equal(one, series.T.astype(np.float32))


def test_the_whole_set_and_the_half_are_never_the_same_files():
    names = [{file for form in chosen.forms for file in form.files} for chosen in (characters.ALL, characters.HALF)]
    assert names[0].isdisjoint(names[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_split_is_stratified_and_takes_every_series_once(seed):
    labels = np.repeat(np.arange(20), np.arange(57, 97, 2))
    parts = characters.split(labels, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(labels)))
    totals = np.bincount(labels)
    for part, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        assert (np.abs(np.bincount(labels[parts[part]]) - share * totals) <= 1.0).all()
        np.testing.assert_array_equal(parts[part], characters.split(labels, seed)[part])
        assert not np.array_equal(parts[part], characters.split(labels, seed + 1)[part])


@pytest.mark.parametrize("dropped", [0.0, 0.3, 0.5, 0.7])
def test_a_share_of_the_samples_of_each_series_is_dropped(dropped):
    lengths = [61, 100, 182]
    for length, kept in zip(lengths, characters.kept_samples(lengths, dropped, 3), strict=True):
        assert len(kept) == length - int(dropped * length)
        assert (np.diff(kept) > 0).all() and kept[0] >= 0 and kept[-1] < length
