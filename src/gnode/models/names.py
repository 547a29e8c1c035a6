"""Names of what is in a tree: those of the arrays in model.safetensors."""

from typing import Any

import jax


def named_leaves(tree: object) -> dict[str, Any]:
    """The leaves of a model or any other tree, by their path in it ("field.drive.later.0.weight")."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
