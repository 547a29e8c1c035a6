"""Arrays at the door: whatever holds numbers becomes an array of NumPy, or is refused in one line."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gnode.errors import must_have


class Recordings(NamedTuple):
    """What a door has read: the samples of all series, one series after the other."""

    samples: np.ndarray  # (samples, channels), NaN where missing
    lengths: np.ndarray  # (trials,)
    width: int  # of the array that they are put into
    names: Sequence[object]

    def place(self, sample: int, channel: int | None = None) -> str:
        """The series and the sample in it, in words."""
        ends = np.cumsum(self.lengths)
        series = int(np.searchsorted(ends, sample, side="right"))
        return place(self.names[series], sample - (ends[series] - self.lengths[series]), channel)

    def put(self, flat: np.ndarray) -> np.ndarray:
        """Numbers that come sample by sample as (trials, time, ...), with 0 at padding."""
        shape = (len(self.lengths), self.width, *flat.shape[1:])
        if len(flat) == shape[0] * shape[1]:
            return flat.reshape(shape)
        padded = np.zeros(shape, flat.dtype)
        padded[np.arange(self.width) < self.lengths[:, None]] = flat
        return padded


def as_array(data: Any, what: str) -> np.ndarray:
    """Booleans, integers or floats as an array of NumPy, masked where it came masked."""
    try:
        array = np.ma.asarray(data) if isinstance(data, (list, tuple, np.ma.MaskedArray)) else np.asarray(on_host(data))
    except (TypeError, ValueError, RuntimeError):
        must_have(f"an array of numbers for {what}", f"{described(data)} that is none")
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        ragged = "Series of different lengths are a list of arrays; what is missing is NaN."
        advice = ragged if array.dtype == object and array.ndim else ""
        got = f"an array of type {array.dtype}" if array.ndim else described(data)
        must_have(f"real numbers for {what}", got, advice)
    return array if np.ma.is_masked(array) else np.ma.getdata(array)


def as_floats(data: Any, what: str) -> np.ndarray:
    """Numbers as float32 where that loses nothing of their type, else float64; NaN where masked or missing."""
    if is_pandas(data):
        kinds = dict(data.dtypes) if is_frame(data) else {data.name: data.dtype}
        for name, kind in kinds.items():
            if kind.kind not in "biuf":
                must_have(f"numbers in column {name!r}", str(kind), "Convert it first, or choose others by channels=.")
        plain = all(isinstance(kind, np.dtype) for kind in kinds.values())
        wide = np.result_type(np.float32, *kinds.values()) if plain else np.dtype(float)
        return data.to_numpy(dtype=wide, na_value=np.nan)
    array = as_array(data, what)
    wide = np.result_type(array.dtype, np.float32)
    with np.errstate(over="ignore"):
        return np.ma.filled(array.astype(wide if wide.itemsize <= 8 else float, copy=False), np.nan)


def is_pandas(data: Any) -> bool:
    return any(base.__module__.partition(".")[0] == "pandas" for base in type(data).__mro__)


def is_frame(data: Any) -> bool:
    return is_pandas(data) and hasattr(data, "columns")


def on_host(data: Any) -> Any:
    """PyTorch's tensors without their gradient, where NumPy can read them; anything else as it is."""
    return data.detach().cpu() if hasattr(data, "detach") else data


def described(data: Any) -> str:
    """The type of what came, in words."""
    name = type(data).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def place(series: object, sample: int | None = None, channel: int | None = None) -> str:
    """Where something is, in words."""
    parts = [f"series {int(series) if isinstance(series, np.integer) else repr(series)}"]
    parts += [f"{what} {at}" for what, at in (("sample", sample), ("channel", channel)) if at is not None]
    return f"{', '.join(parts)} (counted from 0)"


def feed(content: Any, *arrays: np.ndarray) -> None:
    """Add arrays to a digest, the same bytes on every machine."""
    for array in arrays:
        plain = np.ascontiguousarray(array)
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        content.update(f"{plain.dtype.str}{plain.shape}".encode())
        content.update(plain.tobytes())
