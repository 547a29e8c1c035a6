"""A model as a file of Python that runs where gnode is not."""

import base64
import inspect
import io
import pprint
import textwrap
from pathlib import Path

import numpy as np

from gnode.errors import look_up, must_have
from gnode.files import path_of, write_atomically
from gnode.models import equations, torch_module
from gnode.models.model import Model, checked_model

FRAMEWORKS = ("numpy", "torch")

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
    """Write a model to a file of Python that needs NumPy, or NumPy and PyTorch, alone: `from FILE import network`.

    The weights are in it, as text.

    Args:
        path: a name that ends in .py, which is replaced if it is there.
        to: "numpy", where `network` is a function of arrays (gnode.models.equations.Network), or "torch", where it is
            a torch.nn.Module (gnode.models.torch_module).

    Raises:
        InvalidInput: another framework, a name that does not end in .py, or a model that cannot be taken elsewhere.
        GnodeError: the file cannot be written.

    Example:
        >>> export(model, "ring.py")  # doctest: +SKIP
        >>> from ring import network  # doctest: +SKIP
        >>> outputs = network(inputs)  # doctest: +SKIP
    """
    look_up("framework", to, dict.fromkeys(FRAMEWORKS))
    path = path_of(path)
    if path.suffix != ".py":
        must_have("a file of Python, whose name ends in .py", str(path))
    write_atomically(path, python_text(checked_model(model), to).encode())
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
