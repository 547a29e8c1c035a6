"""What stands before everything that users call of a model: JAX's usual modes, and words for its forward mode."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from gnode.errors import must_have
from gnode.integrate import integrator_kind
from gnode.models.config import ModelConfig
from gnode.modes import usual_modes


class _Configured(Protocol):
    @property
    def config(self) -> ModelConfig: ...


Owner = TypeVar("Owner", bound=_Configured)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def entrance(method: Callable[Concatenate[Owner, Given], Answer]) -> Callable[Concatenate[Owner, Given], Answer]:
    """The method in JAX's usual modes; where forward mode is not defined for the gradient, an InvalidInput says so.

    JAX raises a TypeError there. It cannot be told earlier: reverse mode begins in the same way.
    """

    @functools.wraps(method)
    def entered(owner: Owner, *arguments: Given.args, **options: Given.kwargs) -> Answer:
        try:
            with usual_modes():
                return method(owner, *arguments, **options)
        except TypeError as error:
            if "forward-mode" in str(error):
                _refuse_forward_mode(owner.config)
            raise

    return entered


def _refuse_forward_mode(config: ModelConfig) -> None:
    key, forwards = ("adjoint", "direct") if integrator_kind(config.integrator).flow else ("gradient", "autodiff")
    must_have(
        f'{key}="{forwards}" for forward mode',
        f'"{getattr(config, key)}", which is for reverse mode',
        f'The same weights with it: gnode.models.under(model, "{config.integrator}", {key}="{forwards}").',
    )
