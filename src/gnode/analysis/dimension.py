"""Intrinsic dimension of a cloud of points, by published estimators that look at different scales."""

import numpy as np
from scipy.spatial import cKDTree

_FLAT = 0.15  # a direction counts where its variance is this share of the widest one's


def two_nn(points: np.ndarray) -> float:
    """TwoNN: from the ratio of the distances to the second and the first neighbour; the finest scale there is.

    Facco, d'Errico, Rodriguez and Laio, Scientific Reports 7 (2017): the ratios follow a Pareto law whose exponent is
    the dimension; fitted through the origin without the largest tenth. NaN for fewer than 10 distinct points.

    Args:
        points: (n, N).
    """
    points = np.unique(points, axis=0)
    if len(points) < 10:
        return np.nan
    distances = cKDTree(points).query(points, k=3)[0]
    ratios = np.sort(distances[:, 2] / distances[:, 1])
    kept = int(0.9 * len(ratios))
    empirical = np.arange(1, kept + 1) / len(ratios)
    across, up = np.log(ratios[:kept]), -np.log1p(-empirical)
    return float(across @ up / (across @ across)) if across.any() else np.nan


def levina_bickel(points: np.ndarray, neighbours: int = 10) -> float:
    """Maximum likelihood from the distances to the first `neighbours` neighbours.

    Levina and Bickel, NeurIPS 2004, averaged as inverses (MacKay and Ghahramani 2005). NaN for too few distinct points.

    Args:
        points: (n, N).
    """
    points = np.unique(points, axis=0)
    if len(points) < neighbours + 2:
        return np.nan
    distances = cKDTree(points).query(points, k=neighbours + 1)[0][:, 1:]
    inverse = np.log(distances[:, -1:] / distances[:, :-1]).mean(axis=1)
    return float(1 / inverse.mean()) if inverse.any() else np.nan


def local_pca(points: np.ndarray) -> float:
    """How many directions a neighbourhood of a tenth of the points (at most 40) spreads in, on average.

    Fukunaga and Olsen, IEEE Transactions on Computers C-20 (1971). The coarsest of the three: noise that is thin beside
    a neighbourhood adds no dimension. NaN for fewer than 10 points.

    Args:
        points: (n, N).
    """
    if len(points) < 10:
        return np.nan
    neighbours = int(np.clip(len(points) // 10, 6, 40))
    centres = points[np.linspace(0, len(points) - 1, min(len(points), 400)).astype(int)]
    patches = points[cKDTree(points).query(centres, k=neighbours + 1)[1]]
    patches = patches - patches.mean(axis=1, keepdims=True)
    variances = np.linalg.svd(patches, compute_uv=False) ** 2
    spread = variances[:, 0] > 0
    return float(np.mean(np.sum(variances[spread] >= _FLAT * variances[spread, :1], axis=1))) if spread.any() else 0.0
