"""A saved model rebuilds itself, and a file that is not one of ours is refused in one line."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from gnode import models
from gnode.errors import Diverged, GnodeError, InvalidInput
from gnode.fields import FIELDS
from gnode.models.initial import INITIAL_STATES


def make(name="gnode", **options):
    sizes = dict(input_size=2, state_size=3, output_size=2)
    if FIELDS[name].hidden is not None:
        options.setdefault("hidden", (5,))
    return models.make(name, **{**sizes, **options})


@pytest.mark.parametrize("initial_state", INITIAL_STATES)
@pytest.mark.parametrize("name", FIELDS)
def test_round_trip_gives_the_same_outputs_and_bytes(tmp_path, name, initial_state):
    model = make(name, initial_state=initial_state, layer_norm=True, gain=True, seed=7)
    models.save(model, tmp_path / "m.safetensors")
    again = models.load_model(tmp_path / "m.safetensors")
    inputs = np.random.default_rng(0).standard_normal((3, 8, 2)).astype("f4")
    assert again.config == model.config
    told = inputs[:, 0] if model.is_told else None
    assert (again(inputs, told) == model(inputs, told)).all()
    assert models.model_bytes(again) == models.model_bytes(model)


def test_a_critically_initialised_model_is_not_scaled_again(tmp_path):
    model = make("node", hidden=(32, 32), state_size=8, critical=True)
    models.save(model, tmp_path / "m.safetensors")
    assert models.model_bytes(models.load_model(tmp_path / "m.safetensors")) == models.model_bytes(model)


def test_equal_models_are_equal_bytes():
    assert models.model_bytes(make(seed=1)) == models.model_bytes(make(seed=1))
    assert models.model_bytes(make(seed=1)) != models.model_bytes(make(seed=2))


def with_header(path, change):
    """Rewrite the JSON that gnode keeps in the header of a model file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    ours = json.loads(header["__metadata__"]["gnode"])
    change(ours)
    header["__metadata__"]["gnode"] = json.dumps(ours)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    models.save(make(), path)
    return path


@given(st.floats(0.0, 0.999))
def test_any_truncation_is_refused(tmp_path_factory, part):
    path = tmp_path_factory.mktemp("cut") / "m.safetensors"
    content = models.model_bytes(make())
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InvalidInput, match=r"Must have a whole \.safetensors file"):
        models.load_model(path)


def test_foreign_files_are_refused(tmp_path):
    save_file({"a": np.zeros(3, "f4")}, tmp_path / "other.safetensors")
    with pytest.raises(InvalidInput, match="another program"):
        models.load_model(tmp_path / "other.safetensors")
    with pytest.raises(InvalidInput, match="nothing at"):
        models.load_model(tmp_path / "missing.safetensors")


def test_a_newer_format_is_refused(saved):
    with_header(saved, lambda ours: ours.update(format=99))
    with pytest.raises(InvalidInput, match="Update gnode"):
        models.load_model(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda ours: ours["model"].update(state_size=4),
        lambda ours: ours["model"].update(hidden=[5, 5]),
        lambda ours: ours["model"].update(model="nodee"),
        lambda ours: ours["model"].update(colour="blue"),
        lambda ours: ours.pop("model"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(saved, change):
    with_header(saved, change)
    with pytest.raises(InvalidInput, match="Must have"):
        models.load_model(saved)


def test_nan_is_neither_saved_nor_loaded(saved):
    import equinox as eqx

    model = eqx.tree_at(lambda m: m.readout.layers[0].weight, make(), replace_fn=lambda w: w * np.nan)
    with pytest.raises(Diverged, match=r"NaN or infinity in readout\.layers\.0\.weight"):
        models.save(model, saved)
    models.load_model(saved)  # what was there is untouched
    raw = saved.read_bytes()
    saved.write_bytes(raw[:-4] + struct.pack("<f", float("inf")))
    with pytest.raises(InvalidInput, match="finite"):
        models.load_model(saved)


def test_a_full_disk_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GnodeError, match="No space left on device"):
        models.save(make(seed=9), saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]
