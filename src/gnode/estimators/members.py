"""Members: models that were trained on the same split from successive seeds, whose answers are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from gnode.models import Model, draw, load_model, model_table, seed_of
from gnode.series import Data
from gnode.training import RunDirectory, Settings
from gnode.training.directory import place_of_member
from gnode.training.loop import Record
from gnode.training.train import Run, configuration, made_from, prepare


@dataclass(frozen=True)
class Member:
    """A model that was trained, and how it came about.

    Attributes:
        model: the parameters with the lowest validation loss.
        history: one record an epoch.
        summary: what summary.json holds.
        settings: of training.
    """

    model: Model
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    settings: dict[str, Any]

    @classmethod
    def of_run(cls, run: Run, settings: Settings) -> Self:
        return cls(run.model, [record.as_dict() for record in run.history], run.summary, settings.as_dict())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The member in a run directory."""
        directory = RunDirectory.open(folder)
        known = {field.name for field in fields(Record)}
        history = [{key: value for key, value in record.items() if key in known} for record in directory.metrics()]
        return cls(load_model(folder), history, directory.summary(), directory.config()["training"])

    def write(self, folder: Path, data: Data) -> None:
        """Make a run directory, which names the data but has no copy of them."""
        settings = Settings(**self.settings)
        start, data, _ = prepare(draw(self.model.config, seed_of(self.model)), data, settings)
        config = configuration(data, model_table(start), settings)
        directory = RunDirectory.create(folder, config, made_from(start, data))
        for record in self.history:
            directory.add(Record(**record), 0.0)
        directory.write_model(self.model)
        directory.write_summary(self.summary)


def write_members(folder: Path, members: Sequence[Member], data: Data) -> None:
    """Make a run directory of the first member, with the data, and in it those of the others."""
    for at, member in enumerate(members):
        member.write(place_of_member(folder, at), data)
    RunDirectory(folder).keep_data(data)
