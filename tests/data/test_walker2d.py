"""The official protocol of Walker2D, and that both forms of the files give the same."""

import numpy as np
import pytest

from gnode.data import load, walker2d


@pytest.fixture
def rollouts(data_folder, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(data_folder))
    return load("walker2d")


def test_the_complete_set_and_the_official_windows(rollouts):
    lengths = np.array([len(rollout) for rollout in rollouts])
    assert (len(rollouts), lengths.sum(), lengths.min(), lengths.max()) == (400, 254_963, 131, 1000)
    parts = walker2d.windows(rollouts)
    assert {part: one.frames.shape for part, one in parts.items()} == {
        "train": (9684, 64, 17),
        "validation": (1272, 64, 17),
        "test": (1937, 64, 17),
    }
    test = parts["test"]
    persistence = np.mean((test.frames.astype(float) - test.following) ** 2)
    assert persistence == pytest.approx(4.538, abs=5e-4)


def small_rollouts(count=20):
    random = np.random.default_rng(0)
    return [random.standard_normal((random.integers(60, 200), 17)).astype(np.float32) for _ in range(count)]


def official(rollouts):
    """The published loops, frame by frame."""
    numbers = list(range(len(rollouts)))
    np.random.RandomState(125487).shuffle(numbers)
    first, second = int(0.15 * len(numbers)), int((0.15 + 0.1) * len(numbers))
    random = np.random.RandomState(891374)
    found = {}
    for part, chosen in (("train", numbers[second:]), ("validation", numbers[first:second]), ("test", numbers[:first])):
        pieces = []
        for number in chosen:
            frames, elapsed, following, skipped = [], [], [], 0
            for at in range(len(rollouts[number]) - 1):
                skipped += 1
                if random.rand() < 0.9:
                    frames.append(rollouts[number][at])
                    following.append(rollouts[number][at + 1])
                    elapsed.append(skipped)
                    skipped = 0
            starts = range(0, len(frames) - 64, 16)
            pieces += [[np.array(array[at : at + 64]) for array in (frames, elapsed, following)] for at in starts]
        found[part] = [np.stack(arrays) for arrays in zip(*pieces, strict=True)]
    return found


def test_windows_are_those_of_the_published_loops():
    rollouts = small_rollouts()
    ours, theirs = walker2d.windows(rollouts), official(rollouts)
    for part, arrays in theirs.items():
        for one, other in zip(ours[part], arrays, strict=True):
            np.testing.assert_array_equal(one, other)


def test_with_every_frame_kept_the_next_one_follows():
    window = walker2d.windows(small_rollouts(), keep=1.0)["train"]
    assert (window.elapsed == 1).all()
    np.testing.assert_array_equal(window.frames[:, 1:], window.following[:, :-1])


def test_both_forms_of_the_files_give_the_same(tmp_path):
    rollouts = [rollout.astype(float) for rollout in small_rollouts(3)]
    paths = []
    for number, rollout in enumerate(rollouts):
        paths.append(tmp_path / f"rollout_{number:03d}.npy")
        np.save(paths[-1], rollout)
    flat = np.concatenate(rollouts).astype("<f4")
    planes = np.ascontiguousarray(flat.T).view(np.uint8).reshape(17, len(flat), 4).transpose(2, 0, 1)
    lengths = np.array([len(rollout) for rollout in rollouts])
    np.savez(tmp_path / "planes.npz", planes=planes, lengths=lengths)
    conversion, original = walker2d.WALKER2D.forms
    for one, other, rollout in zip(
        conversion.read([tmp_path / "planes.npz"]), original.read(paths), rollouts, strict=True
    ):
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, rollout)
