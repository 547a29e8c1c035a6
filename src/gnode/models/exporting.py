"""A model as a file that runs where gnode is not."""

import base64
import inspect
import io
import pprint
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gnode.errors import look_up, must_have
from gnode.files import path_of, write_atomically
from gnode.models import equations, torch_module
from gnode.models.jax_export import jax_artefact
from gnode.models.model import Model, checked_model

_END = '''

# -- the network --

import base64  # noqa: E402
import io  # noqa: E402
{more}
DESCRIPTION: Description = {description}

_FILE = np.load(io.BytesIO(base64.b64decode(
    """
{numbers}
"""
)), allow_pickle=False)

network = {maker}(DESCRIPTION, {{name: _FILE[name] for name in _FILE.files}})
'''


def export(model: Model, path: str | Path, *, to: str = "numpy") -> Path:
    """Write a model to a file that runs where gnode is not. The weights are in it.

    | to | file | needs |
    |---|---|---|
    | "numpy" | .py, `network` in it is a function of arrays (gnode.models.equations.Network) | NumPy |
    | "torch" | .py, `network` in it is a torch.nn.Module (gnode.models.torch_module) | NumPy, PyTorch |
    | "jax" | .jaxexport, compiled code (gnode.models.jax_export) | JAX, flatbuffers |
    | "onnx" | .onnx, a graph of standard operators (gnode.models.onnx_graph) | any runtime of ONNX |

    Args:
        path: a name with the ending that belongs to `to`; the file is replaced if it is there.

    Raises:
        InvalidInput: another framework, a name that ends otherwise, a model that cannot be taken there, or a package
            that is needed to write the file and is missing.
        GnodeError: the file cannot be written.

    Example:
        >>> export(model, "ring.py")  # doctest: +SKIP
        >>> from ring import network  # doctest: +SKIP
        >>> outputs = network(inputs)  # doctest: +SKIP
    """
    target = look_up("framework", to, FRAMEWORKS)
    path = path_of(path)
    if path.suffix != target.suffix:
        must_have(f"a file for {to}, whose name ends in {target.suffix}", str(path))
    write_atomically(path, target.content(checked_model(model)))
    return path


def python_text(model: Model, to: str) -> str:
    """The content of such a file."""
    description, arrays = model.taken_apart()
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    more = ""
    if to == "torch":
        more = "from functools import cache  # noqa: E402\n\n\n" + inspect.getsource(torch_module.torch_class) + "\n"
    return inspect.getsource(equations) + _END.format(
        more=more,
        description=pprint.pformat(description, width=118, sort_dicts=False),
        numbers="\n".join(textwrap.wrap(base64.b64encode(file.getvalue()).decode(), 118)),
        maker="torch_class()" if to == "torch" else "Network",
    )


def _onnx_content(model: Model) -> bytes:
    try:
        from gnode.models.onnx_graph import onnx_graph
    except ImportError:
        must_have("onnx and spox to write for ONNX", "a Python without", "Install them: pip install 'gnode[export]'.")
    return onnx_graph(model)


class _Target(NamedTuple):
    suffix: str
    content: Callable[[Model], bytes]


FRAMEWORKS = {
    "numpy": _Target(".py", lambda model: python_text(model, "numpy").encode()),
    "torch": _Target(".py", lambda model: python_text(model, "torch").encode()),
    "jax": _Target(".jaxexport", jax_artefact),
    "onnx": _Target(".onnx", _onnx_content),
}
