"""Series that come irregularly, or in different lengths: against ncps' CfC, and against a rectangle of as many samples.

CfC: R. Hasani et al., Nature Machine Intelligence 4, 992 (2022), as ncps (github.com/mlech26l/ncps) has it. Its batched
call with elapsed times fails (ncps#82: it drops the axis along which a time of each trial would act on all units), so
its cell is called in a loop over samples with elapsed times (batch, 1), which is what that call does but for the axis.
Both networks have N = 6 units. The CfC has its default, one hidden layer of 128; the gnODE as much, and also its own
default, F [128, 128], which computes four times as much a sample.
"""

import statistics

import equinox as eqx
import numpy as np
import torch
from ncps.torch import CfC

import gnode
from benchmarks.epochs import LR, gnode_epoch, torch_epoch
from benchmarks.machine import in_turn, ratio
from gnode.models import trainable
from gnode.series import Series, Trials
from gnode.training import Settings
from gnode.training.loop import begin, epochs
from gnode.training.score import LENGTH_CLASSES, Objective

ROUNDS = 7
BATCHES = (10, 50, 100)
UNITS = 6
HIDDEN = ((128,), (128, 128))
SHORTEST, LONGEST, SERIES = 10, 1000, 1000
EPOCHS, SEEDS = 10, 3


class IrregularCfC(torch.nn.Module):
    """CfC and a linear readout: inputs (batch, time, D) and elapsed times (batch, time) to (batch, time, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cfc = CfC(inputs, UNITS, proj_size=outputs)

    def forward(self, inputs: torch.Tensor, elapsed: torch.Tensor) -> torch.Tensor:
        state, outputs = torch.zeros(len(inputs), UNITS), []
        for sample, step in zip(inputs.unbind(1), elapsed[..., None].unbind(1), strict=True):
            output, state = self.cfc.rnn_cell(sample, state, step)
            outputs.append(self.cfc.fc(output))
        return torch.stack(outputs, 1)


def measure() -> dict:
    """An epoch beside CfC's, a ragged epoch beside a rectangular one, and what ragged batches do to the loss."""
    return {"cfc": _beside_cfc(), "ragged": _beside_rectangle(), "loss": _loss_of_classes()}


def _beside_cfc() -> list[dict]:
    """500 trials of 100 samples at irregular times; gnode's epoch includes a validation loss on 10 trials."""
    task = gnode.tasks.make("variable-amplitude")
    trials, validation = (_irregular(task.sample(count, seed=seed)) for seed, count in enumerate((500, 10)))
    sizes = dict(input_size=3, state_size=UNITS, output_size=3)
    models = [gnode.models.make("gnode", **sizes, hidden=hidden, integrator="exponential-euler") for hidden in HIDDEN]
    config = models[0].config
    elapsed = (trials.series.elapsed(config.dt) / config.tau).astype(np.float32)
    rows = []
    for batch in BATCHES:
        torch.manual_seed(0)
        cfc = torch_epoch(IrregularCfC(3, 3), [trials.inputs, elapsed], trials.targets, batch)
        for model in models:
            contenders = {"gnode": gnode_epoch(model, trials, validation, batch), "cfc": cfc}
            hidden = list(model.config.hidden)
            rows.append({"hidden": hidden, **_row(batch, in_turn(contenders, ROUNDS), "cfc", "gnode")})
            _show(f"an epoch of irregular series, F {hidden}", rows[-1])
    return rows


def _beside_rectangle() -> list[dict]:
    """1000 series of 10 to 1000 samples against as many of their mean length; each has a validation set of one."""
    ragged = _ragged(SERIES, seed=0)
    mean = round(float(ragged.series.valid.sum(axis=1).mean()))
    rectangle = gnode.tasks.make("variable-amplitude", bins=mean).sample(SERIES, seed=0)
    model = _model(seed=0)
    rows = []
    for batch in BATCHES:
        contenders = {
            "ragged": gnode_epoch(model, ragged, rectangle[:1], batch, LENGTH_CLASSES),
            "padded": gnode_epoch(model, ragged, rectangle[:1], batch),
            "rectangle": gnode_epoch(model, rectangle, rectangle[:1], batch),
        }
        seconds = in_turn(contenders, ROUNDS)
        rows.append(_row(batch, seconds, "rectangle", "ragged"))
        _show("an epoch of ragged series", rows[-1])
    return rows


def _loss_of_classes() -> dict:
    """Validation losses after equal epochs, seed by seed: ragged minibatches computed by length classes, and padded."""
    losses = {
        name: [_validation_loss(seed, classes) for seed in range(SEEDS)]
        for name, classes in (("classes", LENGTH_CLASSES), ("padded", 0))
    }
    for name, values in losses.items():
        print(f"validation loss after {EPOCHS} epochs, {name}: {', '.join(f'{value:.4f}' for value in values)}")
    return losses


def _validation_loss(seed: int, classes: int) -> float:
    train, validation = _ragged(SERIES // 5, seed), _ragged(SERIES // 10, seed + SEEDS)
    settings = Settings(epochs=EPOCHS, batch_size=10, lr=LR, schedule="constant", seed=seed)
    model = _model(seed)
    frozen = eqx.partition(model, trainable(model))[1]
    objective = Objective("mse", settings.weigh, settings.on_failure, classes)
    *_, (_, last) = epochs(frozen, objective, settings, begin(model), train, validation)
    return last.val_loss


def _model(seed: int) -> gnode.models.Model:
    return gnode.models.make("gnode", input_size=3, state_size=6, output_size=3, hidden=(100, 100, 100), seed=seed)


def _irregular(trials: Trials) -> Trials:
    """The same trials at times whose gaps are exponentially distributed, 0.01 s on average."""
    gaps = np.random.default_rng(0).exponential(0.01, trials.series.shape[:2])
    return Trials(Series.of(trials.inputs, np.cumsum(gaps, axis=1)), trials.targets)


def _ragged(count: int, seed: int) -> Trials:
    """Trials of 10 to 1000 samples, every length as likely."""
    trials = gnode.tasks.make("variable-amplitude", bins=LONGEST).sample(count, seed=seed)
    lengths = np.random.default_rng(seed).integers(SHORTEST, LONGEST, count, endpoint=True)
    return Trials(Series.of(trials.inputs, lengths=lengths), trials.targets)


def _row(batch: int, seconds: dict[str, list[float]], slow: str, fast: str) -> dict:
    steady = {f"{name}_ms": 1e3 * statistics.median(values) for name, values in seconds.items()}
    return {"batch": batch, **steady, f"over_{slow}": ratio(seconds[slow], seconds[fast])}


def _show(what: str, row: dict) -> None:
    times = "  ".join(f"{name[:-3]} {value:.0f} ms" for name, value in row.items() if name.endswith("_ms"))
    over = next(name for name in row if name.startswith("over_"))
    compared = row[over]
    print(
        f"{what}, batch {row['batch']:3d}: {times}; {compared['median']:.2f} times the speed of the "
        f"{over.removeprefix('over_')} ({compared['least']:.2f} to {compared['greatest']:.2f})",
        flush=True,
    )
