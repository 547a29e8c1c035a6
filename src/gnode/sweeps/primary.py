"""What a sweep is to decide, said in the experiment file before the first run: its table [primary].

    measure = "values_1000"                    # a column of examinations.parquet
    first = "gnode"                            # a value on the axis that is compared
    against = ["node", "leaky-node"]           # others on it
    at_losses = { square = 0.02, ring = 1e-3 } # for each part of the sweep, or one number for all

Each of `against` is compared with `first` in each part at the loss given (gnode.sweeps.levels). The rule: a comparison
is decided where its p, corrected by Holm's method for all of this table, is below 0.05, and the 95 % interval of the
ratio excludes 1. What else is compared in a sweep is secondary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gnode.arguments import positive
from gnode.errors import check_known, must_have
from gnode.examine.along import Examination


@dataclass(frozen=True)
class Primary:
    """The comparisons that decide.

    Attributes:
        measure: a column of the examinations.
        first, against: values on the axis that is compared.
        at_losses: the loss at which they are compared, by the part of the sweep.
    """

    measure: str
    first: str
    against: tuple[str, ...]
    at_losses: dict[str, float]


def primary(
    table: dict[str, Any], wanted: Examination | None, compared: Sequence[Any], parts: Sequence[str]
) -> Primary:
    """The table [primary] of an experiment file, checked.

    Args:
        wanted: the table [examine].
        compared: the values on the axis that is compared.
        parts: the names of the sweep's parts (`part_name`).

    Raises:
        InvalidInput: it names what is not in the sweep.
    """
    keys = [item.name for item in fields(Primary)]
    check_known(table, keys, "a key of [primary]")
    if missing := [key for key in keys if key not in table]:
        must_have(f"{missing[0]} in [primary]", "none")
    if wanted is None:
        must_have("a table [examine] beside [primary], which compares what is measured", "none")
    measures = [f"{what}_{silence}" for what in ("values", "error") for silence in wanted.silences]
    check_known([table["measure"]], [*measures, "gate", "least_gate"], "a measure of [examine]")
    against = table["against"] if isinstance(table["against"], list) else [table["against"]]
    check_known([table["first"], *against], list(map(str, compared)), "a value on the axis that is compared")
    losses = table["at_losses"]
    if not isinstance(losses, dict):
        losses = dict.fromkeys(parts, losses)
    check_known(losses, list(parts), "a part of the sweep in at_losses")
    return Primary(
        table["measure"],
        table["first"],
        tuple(against),
        {part: float(positive("at_losses", loss)) for part, loss in losses.items()},
    )


def part_name(values: Mapping[str, Any]) -> str:
    """What a part of a sweep is called by its values on axes, numbers with their axis: "split 0, dropped 0.7"."""
    return ", ".join(value if isinstance(value, str) else f"{axis} {value}" for axis, value in values.items())
