"""Memory and attractors of models that are known: integrators that keep, forget or round what they are shown."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from gnode import analysis, tasks
from gnode.analysis.memory import fallen
from gnode.errors import Diverged, InvalidInput


class Recorder:
    """A model whose state is the last input that was not zero, and which then follows `rule` in silence."""

    def __init__(self, rule):
        self.rule = rule

    def states(self, inputs, first_targets):
        state = np.zeros((len(inputs), inputs.shape[-1]))
        history = []
        for bin_inputs in np.swapaxes(inputs, 0, 1):
            state = np.where(bin_inputs != 0, bin_inputs, state)
            history.append(state)
        return np.stack(history, axis=1)

    def map_at(self, inputs):
        assert not np.any(inputs)
        return self.rule

    def readout(self, states):
        return states


def keep(h):
    return jnp.asarray(h)


def to_five_angles(h):
    """Angles creep to the nearest multiple of a fifth of a turn, radii to 2."""
    angle = jnp.arctan2(h[..., 1], h[..., 0])
    radius = jnp.linalg.norm(h, axis=-1)
    angle = angle - 0.02 * jnp.sin(5 * angle)
    radius = 2 + 0.5 * (radius - 2)
    return radius[..., None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


@pytest.mark.parametrize(
    ("name", "options", "kind", "dimension"),
    [
        ("ring", {}, "ring", 1),
        ("disk", {}, "annulus", 2),
        ("square", {}, "sheet", 2),
        ("rectangle", {}, "sheet", 2),
        ("fixed-amplitude", {"bits": 2}, "discrete, 4 points", 0),
        ("fixed-amplitude", {"bits": 3}, "discrete, 8 points", 0),
    ],
)
def test_a_perfect_memory_is_the_ideal_manifold(name, options, kind, dimension):
    task = tasks.make(name, **options)
    found = analysis.attractor(Recorder(keep), task)
    assert found.kind == kind == task.manifold.kind
    assert found.dimension == dimension
    assert found.betti[:2] == task.manifold.betti
    assert found.hausdorff < 1e-6
    assert found.coverage == 1.0
    assert found.rms_error < 1e-6
    assert found.half_life == np.inf
    assert found.drift == 0.0


def test_a_ring_that_rounds_ends_as_five_points():
    task = tasks.make("ring")
    soon = analysis.attractor(Recorder(to_five_angles), task, silence=2)
    late = analysis.attractor(Recorder(to_five_angles), task, silence=1000)
    assert (soon.kind, soon.betti) == ("ring", (1, 1))
    assert (late.kind, late.betti) == ("discrete, 5 points", (5, 0))
    assert late.dimension == 0
    assert soon.distinct > 200
    # The two values that start between two points may stay there.
    assert 5 <= late.distinct <= 10
    assert late.intervals["half_life"] == late.memory.half_life_interval
    assert (
        "half of the values are lost after {:.4g} [{:.4g}, {:.4g}]".format(late.half_life, *late.intervals["half_life"])
        in late.evidence
    )
    assert soon.coverage == 1.0
    assert late.coverage < 0.3
    assert late.hausdorff == pytest.approx(4 * np.sin(np.pi / 10), rel=0.02)  # from a point to halfway to the next
    # Along the ring angles creep at 0.1 a step at most, across it radii halve.
    assert soon.across == pytest.approx(np.log(2), rel=1e-3)
    assert 0 < soon.along < 0.11
    assert soon.spectral_gap == pytest.approx(soon.across / soon.along)


def test_half_life_of_a_contraction():
    """Values on a line that shrinks by 1 % a bin: half of the cells of 0.02 are left after ln 2 / ln(1 / 0.99) bins."""
    values = np.stack([np.linspace(-1, 1, 360), np.zeros(360)], axis=1)
    memory = analysis.memory(Recorder(lambda h: 0.99 * h), tasks.make("square"), values, silences=range(150))
    assert memory.half_life == pytest.approx(np.log(2) / -np.log(0.99), abs=1.5)
    assert memory.distinct[0] == 101  # cells from -1 to 1
    assert memory.rms_error[100] == pytest.approx((1 - 0.99**100) * np.sqrt(np.mean(values[:, 0] ** 2)), rel=1e-5)
    assert np.allclose(memory.bits, np.log2(memory.distinct))
    assert (memory.information <= memory.bits + 1e-12).all()


def test_information_counts_crowding():
    """Values 0, 0, 0, 1: two cells, but only 0.811 bits about which of them was written."""
    values = np.array([[0.5, 0.5]] * 3 + [[-0.5, 0.5]])
    memory = analysis.memory(Recorder(keep), tasks.make("square"), values, [0])
    assert memory.distinct.tolist() == [2]
    assert memory.information[0] == pytest.approx(-(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25)))


def test_where_a_level_is_reached_by_hand():
    assert fallen(np.array([0, 10]), np.array([8, 8]), 4.0) == np.inf
    assert fallen(np.array([0, 3]), np.array([8, 4]), 4.0) == pytest.approx(3.0)
    assert fallen(np.array([0, 3, 15]), np.array([8, 6, 2]), 4.0) == pytest.approx(7.0)  # halfway on log(1 + silence)
    assert fallen(np.array([2, 5]), np.array([8, 6]), 9.0) == 2.0


def test_a_half_life_does_not_depend_on_the_silences_that_are_asked_for():
    task = tasks.make("square")
    every, few = (
        analysis.memory(Recorder(lambda h: 0.99 * h), task, task.manifold.sample(100, 0), silences)
        for silences in (range(200), [0, 5, 199])
    )
    assert few.half_life == every.half_life
    assert few.half_life_interval == every.half_life_interval


def test_intervals_of_half_lives_cover_what_is_known_on_paper():
    """Values even on a line that shrinks by 2 % a bin, in three units.

    Of cells of side 0.02 those from -m to m are occupied with chances that follow from the share of the line that each
    has; half of the values told apart on average are left after 55.5 bins. Of 40 intervals of 95 % at least 31 cover,
    but for one try in 10,000.
    """
    random, cell = np.random.default_rng(0), 0.02

    def told_apart(silence):
        edges = np.clip((np.arange(-50, 52) - 0.5) * cell / 0.98**silence, -1, 1)
        return np.sum(1 - (1 - np.diff(edges) / 2) ** 100)

    expected = np.array([told_apart(silence) for silence in range(200)])
    truth = fallen(np.arange(200), expected, float(expected[0] / 2))
    covered = []
    for draw in range(40):
        unit = (1.0, 1e-9, 1e9)[draw % 3]
        values = random.uniform(-1, 1, (100, 2)) * [unit, 0.0]
        found = analysis.memory(Drawn(), Drawn(), values, [0, 10, 20, 50, 100, 199], cell=cell * unit)
        low, high = found.half_life_interval
        assert low <= found.half_life <= high
        covered.append(low <= truth <= high)
    assert sum(covered) >= 31
    assert high - low < truth / 2


class Drawn:
    """A model whose state is the value that was written and shrinks by 2 % a bin, and its task."""

    def recall(self, values, silence):
        return SimpleNamespace(inputs=values[:, None], targets=values[:, None])

    def states(self, inputs, first_targets):
        return inputs

    def map_at(self, inputs):
        return lambda h: 0.98 * np.asarray(h)

    def readout(self, states):
        return states


def test_half_lives_that_never_come_and_values_too_few_for_an_interval():
    task = tasks.make("square")
    kept = analysis.memory(Recorder(keep), task, silences=[0, 100])
    assert (kept.half_life, kept.half_life_interval) == (np.inf, (np.inf, np.inf))
    few = analysis.memory(Recorder(lambda h: 0.9 * h), task, task.manifold.sample(19, 0), [0, 200])
    assert np.isfinite(few.half_life)
    assert np.isnan(few.half_life_interval).all()


def test_silences_do_not_depend_on_the_others():
    task = tasks.make("ring")
    model = Recorder(to_five_angles)
    values = task.manifold.sample(50, 0)
    many, one = (analysis.memory(model, task, values, silences) for silences in ([0, 3, 7, 20], [20]))
    assert np.allclose(many.states[-1], one.states[0], atol=1e-12)


def half_escapes(h):
    """Values with a positive first coordinate double at every step; the others stay."""
    return jnp.asarray(h) * jnp.where(h[..., :1] > 0, 2.0, 1.0)


def test_what_escapes_is_lost_and_the_rest_is_looked_at():
    task = tasks.make("square")
    values = task.manifold.sample(360, 0)
    escaping = values[:, 0] > 0
    memory = analysis.memory(Recorder(half_escapes), task, values, [0, 5000])
    assert not memory.escaped[0].any()
    assert np.array_equal(memory.escaped[1], escaping)
    assert np.isfinite(memory.states).all()
    assert memory.rms_error[0] < 1e-6
    assert memory.rms_error[1] == np.inf
    assert memory.distinct[1] <= (~escaping).sum()
    found = analysis.attractor(Recorder(half_escapes), task, silence=5000)
    assert found.escaped == 360 - len(found.states) == len(found.memory.escaped[0]) - len(found.labels)
    assert found.kind == "sheet"
    assert (found.states[:, 0] <= 0).all()
    assert found.coverage < 0.7
    plain = analysis.attractor(half_escapes, states=values, silence=5000)
    assert plain.escaped == escaping.sum()
    assert plain.kind == "sheet"


def test_another_silence_from_the_same_memory():
    task = tasks.make("ring")
    soon = analysis.attractor(Recorder(to_five_angles), task, silence=2)
    again = analysis.attractor(Recorder(to_five_angles), task, silence=1000)
    cheap = analysis.attractor(Recorder(to_five_angles), task, silence=1000, memory=soon.memory)
    assert (cheap.kind, cheap.half_life, cheap.drift) == (again.kind, again.half_life, again.drift)
    assert np.array_equal(cheap.states, again.states)
    with pytest.raises(InvalidInput, match="one of the silences of this memory"):
        analysis.attractor(Recorder(to_five_angles), task, silence=7, memory=soon.memory)


def test_errors():
    with pytest.raises(InvalidInput, match="remembers values"):
        analysis.memory(Recorder(keep), tasks.make("copy"))
    with pytest.raises(InvalidInput, match="increase"):
        analysis.memory(Recorder(keep), tasks.make("ring"), silences=[5, 5])
    with pytest.raises(InvalidInput, match="whole numbers"):
        analysis.memory(Recorder(keep), tasks.make("ring"), silences=[0.5])
    with pytest.raises(Diverged, match="Every state has escaped after 10000 silent bins"):
        analysis.memory(Recorder(lambda h: 2.0 * h), tasks.make("ring"), silences=[0, 10, 10000])
    with pytest.raises(InvalidInput, match=r"attractor\(model, task\) or attractor\(f, states"):
        analysis.attractor(Recorder(keep))
    with pytest.raises(Diverged, match="Every state has escaped"):
        analysis.attractor(lambda h: 2.0 * h, states=[[1.0, 1.0]], silence=5000)
