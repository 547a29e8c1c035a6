"""Numbers that several figures of a page draw, such as the speed on a grid: they stand in the page once."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

_SHORT = 1000  # characters, below which a list stands wherever it is drawn


class Shared:
    """The long lists that figures have in common.

    Attributes:
        lists: what `without` has left out so far, by its number; page.js puts it back.
    """

    def __init__(self, figures: Iterable[dict[str, Any]]) -> None:
        counts: Counter[str] = Counter()
        for figure in figures:
            counts.update(_long_lists(figure))
        self._often = {text for text, count in counts.items() if count > 1}
        self._numbers: dict[str, int] = {}
        self.lists: list[list[Any]] = []

    def without(self, part: Any) -> Any:
        """A part of a figure with {"shared": number} in the place of each list that is shared."""
        if isinstance(part, dict):
            return {key: self.without(value) for key, value in part.items()}
        if not isinstance(part, list):
            return part
        text = "" if _of_dicts(part) else _text(part)
        if text not in self._often:
            return [self.without(value) for value in part]
        if text not in self._numbers:
            self._numbers[text] = len(self.lists)
            self.lists.append(part)
        return {"shared": self._numbers[text]}


def _long_lists(part: Any) -> Iterable[str]:
    if isinstance(part, dict):
        for value in part.values():
            yield from _long_lists(value)
    elif isinstance(part, list):
        if part and isinstance(part[0], (dict, list)):
            for value in part:
                yield from _long_lists(value)
        if not _of_dicts(part) and len(text := _text(part)) > _SHORT:
            yield text


def _of_dicts(part: list[Any]) -> bool:
    """Traces, buttons, ...: a list of these is never shared, what they hold may be."""
    return bool(part) and isinstance(part[0], dict)


def _text(part: list[Any]) -> str:
    return json.dumps(part, separators=(",", ":"), allow_nan=False)
