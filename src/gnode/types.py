"""Types that several rooms share and that belong to none of them."""

from dataclasses import dataclass

import numpy as np

from gnode.errors import must_have


@dataclass(frozen=True)
class Trials:
    """Trials of one length: what goes in, what should come out, and which bins count.

    Attributes:
        inputs: (trials, time, D_in), float32.
        targets: (trials, time, D_out), float32; or, for classification, integer classes of shape
            (trials,) (one for the whole trial, read at its last bin) or (trials, time) (one for every bin).
        mask: (trials, time), True where a bin counts towards the loss; None where all of them do.
    """

    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.inputs.ndim != 3:
            must_have("inputs of shape (trials, time, D_in)", f"shape {self.inputs.shape}")
        trials_time = self.inputs.shape[:2]
        whole_trial = self.targets.ndim == 1 and self.targets.shape == trials_time[:1]
        if not whole_trial and self.targets.shape[:2] != trials_time:
            must_have(
                f"targets that begin with (trials, time) = {trials_time}, or have one class a trial",
                f"shape {self.targets.shape}",
            )
        if self.mask is not None and self.mask.shape != trials_time:
            must_have(f"a mask of shape (trials, time) = {trials_time}", f"shape {self.mask.shape}")

    def __len__(self) -> int:
        return self.inputs.shape[0]
