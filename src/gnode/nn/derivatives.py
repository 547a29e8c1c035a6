"""Functions with a derivative of their own that outlasts every transformation.

`jax.custom_jvp` is for derivatives of first order: where JAX splits a loop into what is known and what is linear, as it
does to differentiate a scan or jax.checkpoint, it puts the function's own operations in the place of the call, and the
rule is lost to whoever differentiates again. What a primitive is made of is not looked into.
"""

from collections.abc import Callable, Sequence

import jax
from jax import Array
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Axes = tuple[tuple[int | None, ...], ...]  # of each jax.vmap around it, the innermost first: what it maps over


def with_derivative(
    function: Callable[..., Array],
    derivative: Callable[[Sequence[Array], Sequence[Array | None]], Array],
    constant: int,
) -> Callable[..., Array]:
    """The function of some arrays, of which `derivative` is the derivative, however often it is transformed.

    Args:
        function: of arrays, to one array.
        constant: the place of the argument that counts as a constant; its tangent is always None.
        derivative: (the arrays, their tangents) -> the tangent of the result, linear in the tangents. A tangent is None
            where it is zero, and not all of them are.
    """
    primitive = Primitive(getattr(function, "__name__", "function"))

    def mapped(function: Callable[..., Array], axes: Axes) -> Callable[..., Array]:
        for of_arguments in axes:
            function = jax.vmap(function, in_axes=of_arguments)
        return function

    def compute(*arrays: Array, axes: Axes) -> Array:
        return mapped(function, axes)(*arrays)

    def shape_of(*arrays: ShapedArray, axes: Axes) -> ShapedArray:
        result = jax.eval_shape(mapped(function, axes), *arrays)
        return ShapedArray(result.shape, result.dtype)

    def map_over(arrays: Sequence[Array], dimensions: Sequence[int | None], *, axes: Axes) -> tuple[Array, int]:
        return primitive.bind(*arrays, axes=(*axes, tuple(dimensions))), 0

    def differentiate(arrays: Sequence[Array], tangents: Sequence, *, axes: Axes) -> tuple:
        result = primitive.bind(*arrays, axes=axes)
        moving = [place for place, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero)]
        live = [place for place in moving if place != constant]
        if not live:
            return result, ad.Zero(ShapedArray(result.shape, result.dtype))

        def along(*given: Array) -> Array:
            tangents = dict(zip(live, given[len(arrays) :], strict=True))
            return derivative(given[: len(arrays)], [tangents.get(place) for place in range(len(arrays))])

        both = tuple((*of_arguments, *(of_arguments[place] for place in live)) for of_arguments in axes)
        return result, mapped(along, both)(*arrays, *(tangents[place] for place in live))

    primitive.def_impl(compute)
    primitive.def_abstract_eval(shape_of)
    mlir.register_lowering(primitive, mlir.lower_fun(compute, multiple_results=False))
    batching.primitive_batchers[primitive] = map_over
    ad.primitive_jvps[primitive] = differentiate
    return lambda *arrays: primitive.bind(*arrays, axes=())
