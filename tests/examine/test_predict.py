"""gnode predict: what a run on an own table says of the series of another one."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from own_tables import CLASSES, long

import gnode
from gnode.data import from_file, from_frame, model_defaults
from gnode.errors import Diverged, InvalidInput
from gnode.examine import predict
from gnode.series import Series

TINY = dict(state_size=3, hidden=(4,))
IN = dict(series="id", time="t", inputs=["x", "y"])


def trained(data, out, **keys):
    model = gnode.models.make("gnode", **{**model_defaults(data), **TINY, **keys})
    return gnode.train(model, data, out=out, epochs=2, batch_size=4)


def new():
    """Other series, whose rows stand in no order."""
    frame = long(series=6, seed=3)
    frame["id"] = "new " + frame["id"]
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind of target."""
    folder = tmp_path_factory.mktemp("runs")
    for name, target in {"classes": "label", "numbers": "sum", "age": "age", "ahead": ["x", "y"]}.items():
        trained(from_frame(long(), target, **IN), folder / name)
    return folder


def by_hand(run, frame, target=None):
    """The answers (samples, outputs), or (series, outputs), by series in order of their first rows."""
    series = Series.of(frame.sort_values("t"), series="id", time="t", channels=["x", "y"])
    order = [series.names.index(name) for name in frame["id"].drop_duplicates()]
    series = series[order]
    return series, np.asarray(gnode.load(run)(series), float)


def test_a_class_a_series(runs):
    frame = new()
    found = predict(runs / "classes", frame)
    series, logits = by_hand(runs / "classes", frame)
    assert found.frame["id"].tolist() == list(series.names) == frame["id"].drop_duplicates().tolist()
    classes = sorted(CLASSES)
    assert found.frame["predicted_label"].tolist() == [classes[at] for at in logits.argmax(-1)]
    shares = found.frame[[f"probability_{name}" for name in classes]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.diff(np.log(shares)), np.diff(logits), atol=1e-6)
    truth = frame.drop_duplicates("id")["label"].tolist()
    assert found.frame["label"].tolist() == truth
    assert found.scores["accuracy"] == np.mean(found.frame["predicted_label"] == truth)
    assert "t" not in found.frame


def test_a_number_a_sample_stands_in_the_row_of_its_sample(runs):
    frame = new()
    found = predict(runs / "numbers", frame)
    pd.testing.assert_frame_equal(found.frame[["id", "t", "sum"]], frame[["id", "t", "sum"]])
    series, answers = by_hand(runs / "numbers", frame)
    for at, name in enumerate(series.names):
        rows = found.frame[found.frame["id"] == name].sort_values("t")
        np.testing.assert_allclose(rows["predicted_sum"], answers[at, : len(rows), 0], rtol=1e-5, atol=1e-6)
    error = found.frame["predicted_sum"] - frame["sum"]
    assert found.scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))


def test_a_number_a_series_is_said_after_its_last_sample(runs):
    frame = new()
    found = predict(runs / "age", frame)
    series, answers = by_hand(runs / "age", frame)
    np.testing.assert_allclose(
        found.frame["predicted_age"], answers[np.arange(6), series.valid.sum(axis=1) - 1, 0], rtol=1e-6
    )
    assert found.frame["age"].tolist() == frame.drop_duplicates("id")["age"].tolist()


def test_what_is_predicted_ahead_is_scored_against_the_sample_after_it(runs):
    frame = new()
    found = predict(runs / "ahead", frame)
    assert "one sample ahead" in found.said["predicted"]
    rows = found.frame.sort_values(["id", "t"])
    after = rows.groupby("id")[["x", "y"]].shift(-1)
    errors = (rows[["predicted_x", "predicted_y"]].to_numpy() - after.to_numpy())[after["x"].notna()]
    assert found.scores["answers"] == len(frame) - 6 == len(errors)
    assert found.scores["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))


@pytest.mark.parametrize("kind", ["classes", "numbers", "age", "ahead"])
def test_neither_target_nor_order_nor_other_columns_matter(runs, kind):
    frame = new()
    whole = predict(runs / kind, frame).frame
    bare = frame[["y", "t", "id", "x"]] if kind == "ahead" else frame.drop(columns=["label", "sum", "age", "note"])
    found = predict(runs / kind, bare.assign(other="text").iloc[::-1])
    predicted = [name for name in whole if name.startswith(("predicted", "probability"))]
    keys = ["id", "t"] if "t" in whole else ["id"]
    pd.testing.assert_frame_equal(
        found.frame.set_index(keys)[predicted].sort_index(), whole.set_index(keys)[predicted].sort_index()
    )
    assert found.scores is None or kind == "ahead"


def test_a_file_says_what_its_frame_does(runs, tmp_path):
    frame = new()
    frame.loc[2, "x"] = np.nan
    frame.to_csv(tmp_path / "new.csv", sep=";", decimal=",", index=False)
    found = predict(runs / "numbers", tmp_path / "new.csv")
    assert "last value is held" in found.said["missing"]
    pd.testing.assert_frame_equal(found.frame, predict(runs / "numbers", frame).frame)
    assert "semicolons" in found.said["file"] and "change it" not in found.said["time"]


def test_series_of_one_sample_and_a_single_series_are_predicted(runs):
    frame = new()
    found = predict(runs / "classes", frame.iloc[:1])
    series = Series.of(frame.iloc[:1], series="id", time="t", channels=["x", "y"])
    assert len(found.frame) == len(series) == 1
    assert len(predict(runs / "numbers", frame[frame["id"] == "new s0"]).frame) == (frame["id"] == "new s0").sum()


def test_a_recording_without_names_of_series_is_one_series(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"t": np.arange(80) / 10, "x": random.standard_normal(80)})
    frame["y"] = frame["x"].cumsum()
    run = trained(from_frame(frame, "y", time="t"), tmp_path / "run")
    found = predict(tmp_path / "run", frame.iloc[:30])
    answers = np.asarray(run.model(Series.of(frame["x"].to_numpy()[None, :30, None], frame["t"].to_numpy()[:30])))
    np.testing.assert_allclose(found.frame["predicted_y"], answers[0, :, 0], rtol=1e-5, atol=1e-6)
    assert found.frame["t"].tolist() == frame["t"][:30].tolist()


def test_a_row_a_series(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.standard_normal((15, 10)), columns=[f"{c}_{i}" for c in "ab" for i in range(5)])
    frame["label"] = ["up", "down", "left"] * 5
    trained(from_frame(frame, "label"), tmp_path / "run")
    wide = frame.iloc[3:7].drop(columns="label")
    found = predict(tmp_path / "run", wide[wide.columns[::-1]])
    assert found.frame["row"].tolist() == [3, 4, 5, 6]
    values = np.stack([wide[[f"{c}_{i}" for i in range(5)]].to_numpy() for c in "ab"], axis=-1)
    logits = np.asarray(gnode.load(tmp_path / "run")(Series.of(values)))
    assert found.frame["predicted_label"].tolist() == [sorted(CLASSES)[at] for at in logits.argmax(-1)]


@pytest.mark.parametrize("shape", [(9,), (9, 6), (9, 6, 2)], ids=["a series", "a sample", "two a sample"])
def test_arrays_by_name(tmp_path, shape):
    random = np.random.default_rng(0)
    arrays = {"X": random.standard_normal((9, 6, 2)), "y": random.standard_normal(shape)}
    np.savez(tmp_path / "my.npz", **arrays)
    trained(from_file(tmp_path / "my.npz", "y"), tmp_path / "run")
    model = gnode.load(tmp_path / "run")
    lengths = np.array([3, 6])
    np.savez(tmp_path / "new.npz", X=arrays["X"][:2], y=arrays["y"][:2], lengths=lengths)
    found = predict(tmp_path / "run", tmp_path / "new.npz")
    answers = np.asarray(model(Series.of(arrays["X"][:2], lengths=lengths)))
    wanted = (
        answers[[0, 1], lengths - 1] if len(shape) == 1 else answers[Series.of(arrays["X"][:2], lengths=lengths).valid]
    )
    predicted = found.frame[[name for name in found.frame if name.startswith("predicted")]].to_numpy()
    np.testing.assert_allclose(predicted, wanted, rtol=1e-5, atol=1e-6)
    assert found.scores["answers"] == len(wanted)
    np.savez(tmp_path / "bare.npz", X=arrays["X"][:2], lengths=lengths)
    bare = predict(tmp_path / "run", tmp_path / "bare.npz")
    assert bare.scores is None
    np.testing.assert_array_equal(bare.frame[found.frame.columns[-1]], found.frame[found.frame.columns[-1]])


def test_names_of_classes_that_are_numbers_are_told_apart_as_they_are_written(tmp_path):
    frame = long(series=12)
    frame["label"] = frame["label"].map({"up": "01", "down": "1", "left": "2"})
    frame.to_csv(tmp_path / "my.csv", index=False)
    trained(from_file(tmp_path / "my.csv", "label", **IN), tmp_path / "run")
    found = predict(tmp_path / "run", tmp_path / "my.csv")
    assert set(found.frame["predicted_label"]) <= {"01", "1", "2"}
    assert found.scores["accuracy"] == np.mean(found.frame["predicted_label"] == found.frame["label"])
    assert set(found.frame["label"]) == {"01", "1", "2"}


def test_a_class_that_was_not_trained_on_is_said_and_not_scored(runs):
    frame = new()
    frame.loc[frame["id"] == "new s0", "label"] = "back"
    frame.loc[frame["id"] == "new s1", "label"] = None
    found = predict(runs / "classes", frame)
    assert found.scores["answers"] == 4 and found.said["unscored"].startswith("1 of a class")
    assert len(found.frame) == 6


def test_another_unit_is_noticed(runs):
    frame = new()
    assert "unlike" not in predict(runs / "numbers", frame).said
    words = predict(runs / "numbers", frame.assign(x=frame["x"] * 1e3, t=frame["t"] * 1e3)).said["unlike"]
    assert "x lies" in words and "y lies" not in words and "s apart" in words and "in ms, it would fit: unit" in words


@pytest.mark.parametrize(
    "renamed, asked",
    [("t", dict(unit="ms")), ("t_ms", dict(time="t_ms")), ("clock", dict(time="clock", unit="ms"))],
)
@pytest.mark.parametrize("run", ["classes", "numbers"])
def test_times_of_another_unit_or_name_are_read(runs, run, renamed, asked):
    frame = new()
    expected = predict(runs / run, frame)
    # 250 ms are 0.25 s exactly where times are read, and not where 1000 * 0.3 is formed
    found = predict(runs / run, frame.assign(t=(frame["t"] * 1e3).round(6)).rename(columns={"t": renamed}), **asked)
    predicted = [name for name in found.frame if name.startswith(("predicted", "probability"))]
    for name in predicted:
        if found.frame[name].dtype.kind == "f":
            np.testing.assert_allclose(found.frame[name], expected.frame[name], rtol=1e-4, atol=1e-5)
        else:
            assert list(found.frame[name]) == list(expected.frame[name])
    assert "unlike" not in found.said and (renamed in found.frame) == (run == "numbers")


def test_times_keep_the_unit_of_training_under_another_name(tmp_path):
    hours = dict(IN, time="t_h")
    trained(from_frame(long().rename(columns={"t": "t_h"}), "label", **hours), tmp_path / "run")
    frame = new()
    expected = predict(tmp_path / "run", frame.rename(columns={"t": "t_h"})).frame
    pd.testing.assert_frame_equal(predict(tmp_path / "run", frame, time="t").frame, expected)
    minutes = predict(tmp_path / "run", frame.assign(t=frame["t"] * 60), time="t", unit="min").frame
    pd.testing.assert_frame_equal(minutes, expected, rtol=1e-4)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_unit_of_inputs_does_not_matter_where_training_had_it_too(runs, tmp_path, unit):
    def scaled(frame):
        return frame.assign(x=frame["x"] * unit + 3 * unit, y=frame["y"] * unit)

    trained(from_frame(scaled(long()), "label", **IN), tmp_path / "run")
    found = predict(tmp_path / "run", scaled(new()))
    trained(from_frame(long().assign(x=long()["x"] + 3), "label", **IN), tmp_path / "one")
    one = predict(tmp_path / "one", new().assign(x=new()["x"] + 3))
    shares = [name for name in found.frame if name.startswith("probability")]
    np.testing.assert_allclose(found.frame[shares], one.frame[shares], atol=1e-4)
    assert "unlike" not in found.said


def test_a_flow_that_cannot_be_solved_leaves_its_rows_empty(runs, monkeypatch):
    module = importlib.import_module("gnode.examine.predict")  # the package has a function of that name
    frame = new()
    expected = predict(runs / "numbers", frame).frame
    bad = list(frame["id"].drop_duplicates()).index("new s2")
    model = gnode.load(runs / "numbers")

    class Stiff:
        """A model whose flow from one of the series cannot be solved."""

        config, is_told, encoding = model.config, model.is_told, model.encoding

        def __call__(self, series):
            if series.names is not None and "new s2" in series.names:
                raise Diverged("not solved")
            return model(series)

    class Path:
        failed = np.arange(6) == bad

    monkeypatch.setattr(module, "load_model", lambda path: Stiff())
    monkeypatch.setattr(module, "solved_path", lambda model, series: Path)
    found = predict(runs / "numbers", frame)
    empty = found.frame["predicted_sum"].isna()
    assert set(found.frame["id"][empty]) == {"new s2"} and (found.frame["id"] == "new s2").sum() == empty.sum()
    np.testing.assert_allclose(
        found.frame["predicted_sum"][~empty], expected["predicted_sum"][~empty], rtol=1e-5, atol=1e-6
    )
    assert found.said["unsolved"].startswith("1 series") and found.scores["answers"] == (~empty).sum()


class TestRefusals:
    def test_a_run_on_a_task(self, plane_run):
        with pytest.raises(InvalidInput, match="run that was trained on a table"):
            predict(plane_run, new())

    def test_a_missing_input(self, runs):
        with pytest.raises(
            InvalidInput, match=r"^Must have column 'x', which the run was trained on, instead got id, t"
        ):
            predict(runs / "classes", new().drop(columns="x"))

    def test_a_time_of_another_name(self, runs):
        with pytest.raises(InvalidInput, match=r"column 't', .*Is the time 't_ms'\? Name it by time\."):
            predict(runs / "classes", new().rename(columns={"t": "t_ms"}))

    def test_a_unit_that_is_none(self, runs):
        with pytest.raises(InvalidInput, match="time unit"):
            predict(runs / "classes", new(), unit="fortnight")

    def test_a_time_where_training_had_none(self, tmp_path):
        trained(from_frame(long().drop(columns="t"), "label", series="id", inputs=["x", "y"]), tmp_path / "run")
        with pytest.raises(InvalidInput, match="no column of time, as in training, instead got 't'"):
            predict(tmp_path / "run", new(), time="t")

    def test_what_is_no_table(self, runs):
        with pytest.raises(InvalidInput, match="the path of a table, or a pandas frame"):
            predict(runs / "classes", [[1.0, 2.0]])

    def test_text_among_the_numbers_of_an_input(self, runs):
        with pytest.raises(InvalidInput, match="'x'"):
            predict(runs / "classes", new().assign(x="much"))

    def test_a_target_that_changes_within_a_series_where_it_was_one_a_series(self, runs):
        frame = new()
        frame.loc[0, "label"] = "left" if frame.loc[0, "label"] != "left" else "up"
        with pytest.raises(InvalidInput, match="one value of 'label' in each series"):
            predict(runs / "classes", frame)

    def test_text_in_a_target_of_numbers(self, runs):
        with pytest.raises(InvalidInput, match="numbers in the target 'sum'"):
            predict(runs / "numbers", new().assign(sum="much"))


def test_an_input_that_is_missing_where_training_had_none_is_held(runs):
    frame = new().sort_values(["id", "t"]).reset_index(drop=True)
    gaps = frame.groupby("id").cumcount() == 2
    held = frame.assign(x=frame["x"].mask(gaps).groupby(frame["id"]).ffill())
    found = predict(runs / "numbers", frame.assign(x=frame["x"].mask(gaps)))
    expected = predict(runs / "numbers", held).frame["predicted_sum"]
    assert found.said["missing"].startswith(f"{gaps.sum()} of x, of {len(frame)} samples, and training had none")
    np.testing.assert_allclose(found.frame["predicted_sum"], expected, rtol=1e-5, atol=1e-6)


class TestCommand:
    def test_predictions_go_to_standard_output_and_words_beside_it(self, gnode, runs, tmp_path):
        new().to_csv(tmp_path / "new.csv", index=False)
        code, out, err = gnode(f"predict {runs / 'classes'} {tmp_path / 'new.csv'}")
        assert code == 0 and len(out.splitlines()) == 7 and out.startswith("id,label,predicted_label")
        assert all(len(cell) <= 14 for line in out.splitlines()[1:] for cell in line.split(","))  # no 17 digits
        assert "6 series" in err and "% right" in err

    def test_predictions_are_written(self, gnode, runs, tmp_path):
        new().to_csv(tmp_path / "new.csv", index=False)
        code, out, _ = gnode(f"predict {runs / 'numbers'} {tmp_path / 'new.csv'} --out", tmp_path / "predicted.csv")
        assert code == 0 and out == f"33 predictions written: {tmp_path / 'predicted.csv'}\n"
        written = pd.read_csv(tmp_path / "predicted.csv")
        np.testing.assert_allclose(written["predicted_sum"], predict(runs / "numbers", new()).frame["predicted_sum"])

    def test_one_object(self, gnode, runs, tmp_path):
        new().to_csv(tmp_path / "new.csv", index=False)
        code, out, _ = gnode(f"predict {runs / 'numbers'} {tmp_path / 'new.csv'} --json")
        answer = json.loads(out)
        assert code == 0 and answer["rows"] == len(answer["predictions"]) == 33
        assert answer["scores"]["rmse"] > 0 and "series" in answer["said"]

    @pytest.mark.parametrize("out", ["new.csv", "new.txt", "nowhere/predicted.csv"])
    def test_neither_the_table_nor_another_kind_of_file_is_written(self, gnode, runs, tmp_path, out):
        new().to_csv(tmp_path / "new.csv", index=False)
        before = (tmp_path / "new.csv").read_bytes()
        code, _, err = gnode(f"predict {runs / 'numbers'} {tmp_path / 'new.csv'} --out", tmp_path / out)
        assert code != 0 and "Must have" in err and (tmp_path / "new.csv").read_bytes() == before
