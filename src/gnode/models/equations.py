"""The equations of a gnode network over an array namespace, NumPy or PyTorch. This file needs NumPy alone.

`gnode export` writes this text, as it stands, in front of a network that is to run where gnode is not. A network is a
description, which is plain data that says what is put together how, and arrays by name, those of model.safetensors.

    x(k)  sample k as the field sees it: scaled; what is missing held; perhaps with what was seen, how long ago, and how
          much time has passed; 0 at padding
    h(0)  a vector, or a net of x(1), or of the first target; or units that are observed, which are the first target,
          and further ones that are a net of it
    h(k)  one step of the rule from h(k-1) under x(k), as long as sample k acts, in units of tau. So the first input, of
          which h(0) may be a net, also acts, unless the network begins at the first sample, h(1) = h(0). Padding acts
          for no time.
    y(k)  a net of h(k), plus the first channels of x(k) where the network is residual, in the units of the targets

    field:  tau dh/dt = gate(h, x) * (-h + F(h, x)),   F(h, x) = gain * drive(reset(h, x) * h, x)

Without a gate or a reset there is 1 in its place. A net of a state and an input is phi(W h + U x + b), then layers of
it alone; with layer normalisation W h is normalised before U x + b is added, and what a later layer gives is as well.
"""

import math
from typing import Any

import numpy as np

Description = dict[str, Any]


def _sigmoid(xp: Any, values: Any) -> Any:
    if hasattr(xp, "sigmoid"):
        return xp.sigmoid(values)
    small = xp.exp(-abs(values))  # never too large for a number
    return xp.where(values >= 0, 1.0, small) / (1.0 + small)


def _gelu(xp: Any, values: Any) -> Any:
    return 0.5 * values * (1.0 + xp.tanh(math.sqrt(2.0 / math.pi) * (values + 0.044715 * values**3)))


ACTIVATIONS = {
    "identity": lambda xp, values: values,
    "sigmoid": _sigmoid,
    "steep-sigmoid": lambda xp, values: _sigmoid(xp, 10.0 * values),
    "swish": lambda xp, values: values * _sigmoid(xp, values),
    "relu": lambda xp, values: xp.where(values > 0, values, xp.zeros_like(values)),
    "gelu": _gelu,
    "tanh": lambda xp, values: xp.tanh(values),
}


class Equations:
    """What a network computes, in the arrays of a namespace `xp`: numpy or torch.

    Arrays end in the state dimension N or the width of the input; any axes may lead.
    """

    def __init__(self, description: Description, arrays: dict[str, Any], xp: Any) -> None:
        self.description, self.arrays, self.xp = description, arrays, xp
        self.dtype = next(iter(arrays.values())).dtype

    # -- nets --

    def _dense(self, layer: list, values: Any) -> Any:
        weight, bias = layer
        product = values @ self.arrays[weight].T
        return product if bias is None else product + self.arrays[bias]

    def _normalised(self, norm: list, values: Any) -> Any:
        scale, shift = norm
        centred = values - values.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / self.xp.sqrt(variance + 1e-5) * self.arrays[scale] + self.arrays[shift]

    def _net(self, net: Description, state: Any, inputs: Any) -> Any:
        """A net of a state and an input."""
        norms = net["norms"]
        signal = self._dense(net["from_state"], state)
        if norms:
            signal = self._normalised(norms[0], signal)
        signal = signal + self._dense(net["from_input"], inputs)
        for position, layer in enumerate(net["later"], start=1):
            signal = self._dense(layer, ACTIVATIONS[net["activation"]](self.xp, signal))
            if norms:
                signal = self._normalised(norms[position], signal)
        return ACTIVATIONS[net["last_activation"]](self.xp, signal)

    def _perceptron(self, net: Description, values: Any) -> Any:
        """A net of one argument, whose last layer is affine."""
        first, *later = net["layers"]
        signal = self._dense(first, values)
        for layer in later:
            signal = self._dense(layer, ACTIVATIONS[net["activation"]](self.xp, signal))
        return signal

    # -- the field, and the rules that move the state along it --

    def gate(self, state: Any, inputs: Any) -> Any:
        """The rate of each unit in units of 1 / tau."""
        net = self.description["field"]["gate"]
        return self.xp.ones_like(state) if net is None else self._net(net, state, inputs)

    def candidate(self, state: Any, inputs: Any) -> Any:
        """F(h, x)."""
        field = self.description["field"]
        driven = state if field["reset"] is None else self._net(field["reset"], state, inputs) * state
        value = self._net(field["drive"], driven, inputs)
        return value if field["gain"] is None else self.arrays[field["gain"]] * value

    def velocity(self, state: Any, inputs: Any) -> Any:
        """tau * dh/dt."""
        away = self.candidate(state, inputs) - (state if self.description["field"]["leak"] else 0.0)
        return self.gate(state, inputs) * away

    def step(self, state: Any, inputs: Any, length: Any) -> Any:
        """The state after a sample that acts for a time (..., 1), in units of tau."""
        return RULES[self.description["rule"]](self, state, inputs, length)

    # -- what goes in and what comes out --

    def _wide(self, name: str) -> Any:
        array = self.arrays[name]
        return array.astype(np.float64) if isinstance(array, np.ndarray) else array.double()

    def _narrow(self, values: Any) -> Any:
        return values.astype(self.dtype) if isinstance(values, np.ndarray) else values.to(self.dtype)

    def _scaled(self, scaling: Description, values: Any) -> Any:
        """Numbers (..., channels) in the scale of the field, float64."""
        count = scaling["channels"]
        shift, rest, scale = (self._wide(scaling[part])[:count] for part in ("shift", "rest", "scale"))
        return (values - (shift + rest)) / scale

    def _unscaled(self, scaling: Description, values: Any) -> Any:
        count = scaling["channels"]
        shift, rest, scale = (self.arrays[scaling[part]][:count] for part in ("shift", "rest", "scale"))
        return values * scale + rest + shift

    def encode(self, values: Any, elapsed: Any, memory: tuple[Any, Any]) -> tuple[Any, Any, tuple[Any, Any]]:
        """A sample (trials, channels) after a time (trials, 1) in seconds, float64, as the field sees it.

        Args:
            values: NaN where missing.
            memory: each channel's last value as the field sees it, and its age in units of tau; zeros at first.

        Returns:
            What the field sees, how long it acts in units of tau, and the memory after it.
        """
        xp, encoding = self.xp, self.description["encoding"]
        seen, there = values == values, elapsed > 0
        elapsed = elapsed / encoding["tau"]
        last, age = memory
        values = values if encoding["scaling"] is None else self._scaled(encoding["scaling"], values)
        held = xp.where(seen, values, last)
        age = xp.where(seen, xp.zeros_like(held), age + elapsed)
        parts = [held]
        if encoding["missing"] == "hold-with-observed":
            parts += [xp.where(seen, xp.ones_like(held), xp.zeros_like(held)), xp.log1p(age)]
        if encoding["elapsed"] != "step":
            parts.append(xp.log1p(elapsed))
        inputs = xp.concatenate(parts, axis=-1)
        if encoding["elapsed"] == "input":
            elapsed = xp.where(there, xp.ones_like(elapsed) * (encoding["dt"] / encoding["tau"]), elapsed)
        return self._narrow(xp.where(there, inputs, xp.zeros_like(inputs))), self._narrow(elapsed), (held, age)

    def start(self, first: Any, told: Any) -> Any:
        """The state before the first sample, from what the field sees of it and the first target, float64."""
        initial = self.description["initial"]
        if initial["of"] == "nothing":
            return self.arrays[initial["value"]] + self.xp.zeros_like(first.sum(axis=-1, keepdims=True))
        if initial["of"] == "first input":
            return self._perceptron(initial, first)
        scaling = self.description["readout"]["scaling"]
        told = self._narrow(told if scaling is None else self._scaled(scaling, told))
        parts = [told] if initial["observed"] else []
        parts += [self._perceptron(initial, told)] if initial["layers"] else []
        return self.xp.concatenate(parts, axis=-1)

    def read(self, states: Any, inputs: Any) -> Any:
        """Outputs at states under inputs, in the units of the targets."""
        readout = self.description["readout"]
        said = self._perceptron(readout, states)
        if readout["residual"]:
            said = said + inputs[..., : said.shape[-1]]
        return said if readout["scaling"] is None else self._unscaled(readout["scaling"], said)

    def path(self, values: Any, elapsed: Any, told: Any) -> tuple[Any, Any]:
        """States (trials, time, N), and inputs as the field sees them, of values (trials, time, channels) and seconds
        (trials, time), 0 at padding, both float64."""
        xp = self.xp
        nothing = xp.zeros_like(values[:, 0])
        memory, state = (nothing, nothing), None
        states, seen = [], []
        for k in range(values.shape[1]):
            inputs, length, memory = self.encode(values[:, k], elapsed[:, k, None], memory)
            if k == 0:
                state = self.start(inputs, told)
            if k > 0 or self.description["encoding"]["begins"] == "before-first":
                state = self.step(state, inputs, length)
            states.append(state)
            seen.append(inputs)
        return xp.stack(states, axis=1), xp.stack(seen, axis=1)

    def answer(self, values: Any, elapsed: Any, told: Any) -> Any:
        """Outputs (trials, time, outputs); (trials, outputs) where the network reads the last sample or the mean."""
        outputs = self.read(*self.path(values, elapsed, told))
        reading = self.description["readout"]["reading"]
        if reading == "each":
            return outputs
        if reading == "last":
            return outputs[:, -1]
        weights = self._narrow(self.xp.where(elapsed > 0, self.xp.ones_like(elapsed), self.xp.zeros_like(elapsed)))
        weights = weights[..., None]
        return (outputs * weights).sum(axis=1) / weights.sum(axis=1)


def _euler(of: Equations, state: Any, inputs: Any, step: Any) -> Any:
    return state + step * of.velocity(state, inputs)


def _exponential_euler(of: Equations, state: Any, inputs: Any, step: Any) -> Any:
    return state - of.xp.expm1(-of.gate(state, inputs) * step) * (of.candidate(state, inputs) - state)


def _rk4(of: Equations, state: Any, inputs: Any, step: Any) -> Any:
    k1 = of.velocity(state, inputs)
    k2 = of.velocity(state + step / 2 * k1, inputs)
    k3 = of.velocity(state + step / 2 * k2, inputs)
    k4 = of.velocity(state + step * k3, inputs)
    return state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


RULES = {"euler": _euler, "exponential-euler": _exponential_euler, "rk4": _rk4}
INITIAL_STATES = ("learned", "fixed-random", "first-input", "first-target", "observed")
BEGINS = ("before-first", "at-first")
MISSING = ("refuse", "hold", "hold-with-observed")
READINGS = ("each", "last", "mean")


def checked(
    description: Description, shape: tuple[int, ...], times: Any, elapsed: Any, told: tuple[int, ...] | None
) -> np.ndarray:
    """Seconds that each sample acts for, (trials, time), float64, 0 at padding.

    Args:
        shape: of the inputs.
        times: seconds, (time,) or (trials, time), which increase; or
        elapsed: seconds since the sample before, (time,) or (trials, time), 0 at padding, which only ends a trial.
        told: the shape of the first targets, if there are any.

    Raises:
        ValueError: something does not fit.
    """
    encoding, outputs = description["encoding"], description["outputs"]
    if len(shape) != 3 or shape[2] != encoding["channels"] or 0 in shape[:2]:
        _refuse(f"inputs of shape (trials, time, {encoding['channels']}), at least one trial and sample", f"{shape}")
    if (told is not None) != (description["initial"]["of"] == "first target"):
        reads = "no first_targets, which this network never reads" if told else "first_targets, which it starts from"
        _refuse(reads, "some" if told else "none")
    if told is not None and told != (shape[0], outputs):
        _refuse(f"first_targets of shape {(shape[0], outputs)}", f"{told}")
    if times is not None and elapsed is not None:
        _refuse("times or elapsed", "both")
    if times is None and elapsed is None:
        return np.full(shape[:2], encoding["dt"])
    given = np.asarray(elapsed if times is None else times)
    if given.dtype.kind not in "iuf" or given.shape not in (shape[:2], shape[1:2]):
        _refuse(f"seconds of shape {shape[1:2]} or {shape[:2]}", f"{given.dtype} of shape {given.shape}")
    given = np.array(np.broadcast_to(given, shape[:2]))
    if times is not None:
        seconds = np.diff(given, axis=1, prepend=given[:, :1]).astype(np.float64)
        seconds[:, 0] = encoding["dt"]
        if not (seconds > 0).all():
            _refuse("times that are finite and increase", "others", "Padding: give elapsed, which is 0 there.")
        return seconds
    seconds = given.astype(np.float64)
    if not (np.isfinite(seconds).all() and (seconds >= 0).all() and (seconds[:, 0] > 0).all()):
        _refuse("elapsed times that are finite, and above 0 at the first sample", "others")
    if (np.diff((seconds > 0).astype(int), axis=1) > 0).any():
        _refuse("elapsed times of 0 at the end of a trial alone, where they are padding", "one before a sample")
    return seconds


def _refuse(expected: str, got: str, advice: str = "") -> None:
    raise ValueError(f"Must have {expected}, instead got {got}. {advice}".strip())


class Network:
    """A network as a function of NumPy arrays: `network(inputs)`.

    It answers as the model of gnode does that it was made from, up to rounding in the weights' own precision.
    """

    def __init__(self, description: Description, arrays: dict[str, np.ndarray]) -> None:
        self.description, self.arrays = description, arrays
        self._equations = Equations(description, arrays, np)

    def __repr__(self) -> str:
        return f"Network({self.description['name']})"

    def __call__(self, inputs: Any, first_targets: Any = None, *, times: Any = None, elapsed: Any = None) -> np.ndarray:
        """Outputs (trials, time, outputs); (trials, outputs) where the network reads the last sample or the mean.

        Args:
            inputs: (trials, time, channels); NaN is missing, which networks that refuse it do.
            first_targets: (trials, outputs), only for a network whose initial state is a net of them.
            times: of the samples in seconds, (time,) or (trials, time); by default the uniform grid, whose step is dt.
            elapsed: in place of times: seconds since the sample before, 0 at padding.

        Raises:
            ValueError: something does not fit.
        """
        return self._equations.answer(*self._read(inputs, first_targets, times, elapsed))

    def states(self, inputs: Any, first_targets: Any = None, *, times: Any = None, elapsed: Any = None) -> np.ndarray:
        """The state at each sample, (trials, time, N). Arguments as for a call."""
        return self._equations.path(*self._read(inputs, first_targets, times, elapsed))[0]

    def begin(self, first_input: Any, first_target: Any = None) -> tuple:
        """Where the network stands before the first sample, for `advance`; the sample acts only when given to that.

        A network that begins at the first sample stands there, to be given the second.

        Args:
            first_input: (channels,) or (batch, channels).
            first_target: (outputs,) or (batch, outputs), only where the initial state is a net of it.
        """
        sample = np.atleast_2d(np.asarray(first_input, np.float64))
        told = None if first_target is None else np.atleast_2d(first_target)
        values, elapsed, told = self._read(sample[:, None], told, None, None)
        nothing = np.zeros_like(sample)
        inputs, _, after = self._equations.encode(values[:, 0], elapsed, (nothing, nothing))
        here = after if self.description["encoding"]["begins"] == "at-first" else (nothing, nothing)
        return self._equations.start(inputs, told), here

    def advance(self, here: tuple, sample: Any, elapsed: float | None = None) -> tuple[tuple, np.ndarray]:
        """Where the network stands after a sample, and its output there, (outputs,) or (batch, outputs).

        Args:
            here: from `begin` or `advance`.
            sample: (channels,) or (batch, channels).
            elapsed: seconds since the sample before; by default dt.
        """
        state, memory = here
        if self.description["readout"]["reading"] == "mean":
            _refuse("a network that reads each sample or the last, to go on sample by sample", "one of the mean")
        values = np.broadcast_to(np.asarray(sample, np.float64), memory[0].shape)
        seconds = np.full((len(values), 1), self.description["encoding"]["dt"] if elapsed is None else elapsed)
        self._check_values(values[:, None], seconds)
        if not (np.isfinite(seconds) & (seconds > 0)).all():
            _refuse("an elapsed time above 0", f"{elapsed}")
        inputs, length, memory = self._equations.encode(values, seconds, memory)
        state = self._equations.step(state, inputs, length)
        outputs = self._equations.read(state, inputs)
        return (state, memory), outputs[0] if np.ndim(sample) == 1 else outputs

    def _read(self, inputs: Any, told: Any, times: Any, elapsed: Any) -> tuple:
        values = np.asarray(inputs, np.float64)
        told = None if told is None else np.asarray(told, np.float64)
        seconds = checked(self.description, values.shape, times, elapsed, None if told is None else told.shape)
        self._check_values(values, seconds)
        if told is not None and not np.isfinite(told).all():
            _refuse("finite first_targets", "NaN or infinity")
        return values, seconds, told

    def _check_values(self, values: np.ndarray, seconds: np.ndarray) -> None:
        there = values[seconds > 0]
        if np.isinf(there).any():
            _refuse("finite inputs", "infinity")
        if self.description["encoding"]["missing"] == "refuse" and np.isnan(there).any():
            _refuse("inputs that are all there", "a missing one")
