"""What a person sees while a run trains: a bar in a terminal or a notebook, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gnode.training.loop import Record


class Watcher(Protocol):
    """Is told of every epoch: `gnode.train(..., watcher=...)`. One of your own subclasses Silent.

    It is entered when training starts and left when that ends, however it ends.
    """

    def __enter__(self) -> "Watcher": ...

    def __exit__(self, *error: object) -> None: ...

    def start(self, first_epoch: int, epochs: int) -> None:
        """Epochs are to be trained from `first_epoch` (1; later where a run goes on) to `epochs`, the last one."""

    def epoch(self, record: Record) -> None:
        """An epoch is done: `record.as_dict()` is its line of metrics.jsonl, seconds aside."""

    def note(self, text: str) -> None:
        """Something that the user should know."""


class Silent:
    """Shows nothing but notes. The base of watchers that say more: override what is wanted."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *error: object) -> None: ...

    def start(self, first_epoch: int, epochs: int) -> None:
        """As for `Watcher.start`."""

    def epoch(self, record: Record) -> None:
        """As for `Watcher.epoch`."""

    def note(self, text: str) -> None:
        """Something that the user should know."""
        print(f"Note: {text}", file=sys.stderr, flush=True)


class Unbroken(Silent):
    """Passes all on, until what shows it cannot be written to any more: a pipe that was closed, a full disk."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher: Watcher | None = watcher

    def __enter__(self) -> "Unbroken":
        self._try(lambda watcher: watcher.__enter__())
        return self

    def __exit__(self, *error: object) -> None:
        self._try(lambda watcher: watcher.__exit__(*error))

    def start(self, first_epoch: int, epochs: int) -> None:
        self._try(lambda watcher: watcher.start(first_epoch, epochs))

    def epoch(self, record: Record) -> None:
        self._try(lambda watcher: watcher.epoch(record))

    def note(self, text: str) -> None:
        self._try(lambda watcher: watcher.note(text))

    def _try(self, show: Callable[[Watcher], object]) -> None:
        if self._watcher is None:
            return
        try:
            show(self._watcher)
        except OSError:  # what cannot be shown is no reason to lose what is computed
            self._watcher = None


_WIDE = 120  # columns, below which a bar says less


class Bar(Silent):
    """A live bar with losses, rate and time left."""

    def __init__(self, console: Console) -> None:
        wide = console.width >= _WIDE
        further = [TextColumn("{task.fields[rate]}"), TimeElapsedColumn()] if wide else []
        self._bar = Progress(
            TextColumn("[bold]epoch {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=24 if wide else 5),
            TextColumn("loss [cyan]{task.fields[train]}[/]"),
            TextColumn("validation [green]{task.fields[validation]}[/]"),
            *further,
            TextColumn("left"),
            TimeRemainingColumn(compact=not wide),
            console=console,
        )

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def start(self, first_epoch: int, epochs: int) -> None:
        self._task = self._bar.add_task(
            "", total=epochs, completed=first_epoch - 1, train="...", validation="compiling", rate="..."
        )

    def epoch(self, record: Record) -> None:
        self._bar.update(
            self._task,
            completed=record.epoch,
            train=f"{record.train_loss:.2e}",
            validation=f"{record.val_loss:.2e}{_accuracy(record)}",
            rate=_pace(record),
        )


class _TimeLeft:
    """Seconds until training ends, from the epochs after the first one, which compiles."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._first: tuple[int, float] | None = None

    def after(self, epoch: int, now: float) -> str:
        """In words, behind two spaces; "" as long as nobody knows."""
        if self._first is None:
            self._first = epoch, now
            return ""
        first, began = self._first
        return f"  {(now - began) / (epoch - first) * (self._epochs - epoch):.0f} s left"


class _Paced(Silent):
    """Says an epoch in a line, at most every so many seconds, and the last one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def start(self, first_epoch: int, epochs: int) -> None:
        self._epochs, self._left = epochs, _TimeLeft(epochs)
        self._last = -float("inf")

    def epoch(self, record: Record) -> None:
        now = time.monotonic()
        left = self._left.after(record.epoch, now)
        if now - self._last >= self._seconds or record.epoch == self._epochs:
            self._last = now
            self.say(record.epoch, _line(record, self._epochs) + left)

    def say(self, epoch: int, words: str) -> None:
        raise NotImplementedError


class Lines(_Paced):
    """A plain line at most every so many seconds, for logs."""

    def __init__(self, stream: TextIO, seconds: float = 5.0) -> None:
        super().__init__(seconds)
        self._stream = stream

    def __enter__(self) -> "Lines":
        return self

    def say(self, epoch: int, words: str) -> None:
        """A line on the stream."""
        print(words, file=self._stream, flush=True)


class Cell(_Paced):
    """A bar below the cell of a notebook, which stays as it was when training ended."""

    def __init__(self, seconds: float = 0.2) -> None:
        super().__init__(seconds)

    def start(self, first_epoch: int, epochs: int) -> None:
        from IPython.display import display

        super().start(first_epoch, epochs)
        self._shown = display(self._as_shown(first_epoch - 1, "compiling"), raw=True, display_id=True)

    def say(self, epoch: int, words: str) -> None:
        """What is shown, anew."""
        self._shown.update(self._as_shown(epoch, words), raw=True)

    def _as_shown(self, done: int, words: str) -> dict[str, str]:
        bar = f'<progress value="{done}" max="{self._epochs}" style="vertical-align:middle"></progress>'
        return {"text/plain": words, "text/html": f'<div style="white-space:pre-wrap">{bar} {escape(words)}</div>'}


def _line(record: Record, epochs: int) -> str:
    """An epoch in a line."""
    return (
        f"epoch {record.epoch}/{epochs}  loss {record.train_loss:.3e}  validation {record.val_loss:.3e}"
        f"{_accuracy(record)}  {_pace(record)}"
    )


def _pace(record: Record) -> str:
    """The size of the last step: its learning rate, or how much it was damped."""
    return f"damping {record.damping:.0e}" if record.lr is None else f"lr {record.lr:.1e}"


def _accuracy(record: Record) -> str:
    """How much of validation is right, where it is classes."""
    return "" if record.val_accuracy is None else f" ({record.val_accuracy:.1%} right)"


def watcher() -> Watcher:
    """A bar where somebody looks, in a terminal or a notebook, and lines where nobody does."""
    seen = watcher_of_people()
    return Lines(sys.stderr) if seen is None else seen


def watcher_of_people() -> Watcher | None:
    """A bar in a terminal or a notebook; None where nobody looks."""
    if _in_notebook():
        return Cell()
    console = Console(stderr=True)
    return Bar(console) if console.is_terminal else None


def _in_notebook() -> bool:
    """Whether what runs is a cell, whose output is more than text."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
