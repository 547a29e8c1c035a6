"""Critical initialisation: put the slowest mode of a random field at the edge of stability.

The idea is that of RNNTools.jl (Kim, Can and Krishnamurthy, ICML 2023): with J the Jacobian of -h + F(h, x) at a
typical state and input, and eta its spectral abscissa, scaling F by 1 / (eta + 1) would bring eta to 0 if F were
linear. Here the scale is solved for, to a tolerance, because F is not.
"""

from collections.abc import Callable, Sequence

import numpy as np

from gnode.errors import CannotScale, must_have

_LARGEST_SCALE = 1e3


def spectral_abscissa(jacobian: np.ndarray) -> float:
    """The largest real part among the eigenvalues of a (N, N) matrix."""
    return float(np.linalg.eigvals(jacobian).real.max())


def critical_scale(jacobian_at: Callable[[float], np.ndarray], tolerance: float = 1e-6) -> float:
    """The scale of F at which the spectral abscissa of the Jacobian of -h + F is zero.

    Args:
        jacobian_at: the Jacobian of F alone, (N, N), with F's weights scaled so that a linear F scales by the argument.
        tolerance: how far from zero the abscissa may stay.

    Returns:
        The scale.

    Raises:
        CannotScale: no scale up to 1000 (down to 0.001) brings the abscissa to zero: F has no mode that pushes
            outwards, as when all eigenvalues of its Jacobian have negative real parts, or the crossing is a jump.
    """

    from scipy.optimize import brentq  # here, because it takes half a second to import and few runs need it

    def abscissa(log_scale: float) -> float:
        return spectral_abscissa(jacobian_at(float(np.exp(log_scale)))) - 1.0

    limit = np.log(_LARGEST_SCALE)
    steps = np.arange(0.25, limit, 0.25)
    here = abscissa(0.0)
    outward = 1.0 if here < 0 else -1.0
    previous = 0.0
    for step in outward * steps:
        if abscissa(step) * here <= 0:
            root = float(brentq(abscissa, previous, step, xtol=1e-12))
            if abs(abscissa(root)) > tolerance:
                break
            return float(np.exp(root))
        previous = step
    raise CannotScale(
        "Must have a field that some scale brings to the edge of stability, instead got one whose spectral abscissa "
        f"is {here:.3g} at scale 1 and reaches zero at no scale from {1 / _LARGEST_SCALE:g} to {_LARGEST_SCALE:g}. "
        "Try another seed, more units, or no critical initialisation."
    )


def mean_field_gain(
    weight_scales: Sequence[float],
    derivative: Callable[[np.ndarray], np.ndarray],
    activation: Callable[[np.ndarray], np.ndarray],
    *,
    state_variance: float = 1.0,
) -> float:
    """The spectral radius of F's Jacobian in a wide random net: prod_l sigma_l sqrt(E phi'(z_l)^2).

    The radius of a product of independent random matrices is the product of their scales; every hidden layer adds the
    factor of its nonlinearity, averaged over Gaussian pre-activations z_l whose variance the layer map gives
    (Poole et al., NeurIPS 2016, arXiv 1606.05340). The last layer is taken as linear.

    Args:
        weight_scales: sigma_l of each layer, where its weights are N(0, sigma_l^2 / fan_in).
        derivative, activation: phi' and phi of the hidden layers, elementwise on NumPy arrays.
        state_variance: mean square of the state's entries.
    """
    if not weight_scales or min(weight_scales) < 0:
        must_have("one weight scale a layer, none negative", list(weight_scales))
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)  # an even number: no node on the kink of relu
    weights = weights / weights.sum()
    gain = float(weight_scales[0])
    variance = weight_scales[0] ** 2 * state_variance
    for scale in weight_scales[1:]:
        z = np.sqrt(variance) * nodes
        gain *= scale * np.sqrt(weights @ derivative(z) ** 2)
        variance = scale**2 * (weights @ activation(z) ** 2)
    return float(gain)
