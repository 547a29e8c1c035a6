"""Sweeps over data sets: fields of the task are axes, and a plan needs no data."""

from gnode.sweeps.grid import read_plan

PLAN = """
[task]
name = "character-trajectories"
[training]
batch_size = 600
[grid]
split = [0, 1]
dropped = [0.0, 0.7]
[sweep]
"""


def test_splits_and_shares_are_axes_and_a_batch_may_exceed_the_trials_of_drawn_tasks(tmp_path, monkeypatch):
    monkeypatch.setenv("GNODE_DATA", str(tmp_path))
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = read_plan(str(tmp_path / "plan.toml"), None, None)
    fields = [(run.config["task"]["split"], run.config["task"]["dropped"]) for run in plan.runs]
    assert fields == [(0, 0.0), (0, 0.7), (1, 0.0), (1, 0.7)]
    assert {run.config["model"]["integrator"] for run in plan.runs} == {"exponential-euler"}
    assert len({run.id for run in plan.runs}) == 4
