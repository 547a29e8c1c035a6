"""Tasks of the user's own: "my_tasks.py:DMS" for a class in a file, "package.module:DMS" for one in a module.

A file is run from its text, which goes where the run goes (a run directory, a worker on another machine), so that a run
is scored and shown under the task that it was trained on, whatever becomes of the file.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from gnode.errors import GnodeError, check_known, must_have
from gnode.files import path_of
from gnode.tasks import consent
from gnode.tasks.task import Task


@dataclass(frozen=True)
class Definition:
    """Where a task of the user's own is defined, as plain data that a worker can be given.

    Attributes:
        name: "my_tasks.py:DMS", the file without its folder, or "package.module:DMS".
        folder: where to look for what the file or the module imports, beside what is installed.
        code: the text of the file; None for a module, which is imported by its name.
    """

    name: str
    folder: Path
    code: bytes | None = None

    @property
    def place(self) -> str:
        """The file or the module, without the class."""
        return self.name.rpartition(":")[0]

    @property
    def sha256(self) -> str | None:
        """Of the file, in hexadecimal; None for a module."""
        return None if self.code is None else consent.of_file(self.code)

    def programs(self) -> dict[str, str]:
        """What `load` may run, in words, by the digest of each (gnode.tasks.consent)."""
        found = {self.sha256 or consent.of_module(self.place): repr(self.place)}
        if self.folder.is_dir():
            found[consent.of_folder(self.folder)] = f"what it imports from {str(self.folder)!r}"
        return found

    def load(self) -> type[Task]:
        """The class. Equal definitions give the same one.

        Raises:
            InvalidInput: the file or module cannot be run, or there is no such class in it, or it is no task.
        """
        if self.folder.is_dir() and str(self.folder) not in sys.path:  # an archive would be imported from, too
            sys.path.append(str(self.folder))  # last: nothing that is installed is hidden by it
        module = self._imported() if self.code is None else self._run(self.code)
        kind = _task_in(module, self)
        if kind.__module__.partition(".")[0] != "gnode":  # gnode's own have their names in the registry
            _DEFINITIONS[kind] = self
        return kind

    def _run(self, code: bytes) -> ModuleType:
        """The module that the file makes, run once."""
        digest = hashlib.sha256(code + str(self.folder).encode()).hexdigest()
        name = f"gnode_task_{Path(self.place).stem}_{digest[:12]}"
        if name in sys.modules:
            return sys.modules[name]
        module, file = ModuleType(name), str(self.folder / self.place)
        module.__file__ = file
        sys.modules[name] = module  # where dataclasses look for it
        try:
            exec(compile(code, file, "exec", dont_inherit=True), module.__dict__)
        except BaseException as error:
            del sys.modules[name]
            if isinstance(error, Exception | SystemExit):
                _refuse("a file of tasks that can be run", self.place, error)
            raise
        return module

    def _imported(self) -> ModuleType:
        try:
            return importlib.import_module(self.place)
        except (Exception, SystemExit) as error:
            if isinstance(error, ModuleNotFoundError) and error.name and f"{self.place}.".startswith(f"{error.name}."):
                must_have(
                    "a module that can be imported",
                    f"{self.place!r}, of which there is no {error.name} here",
                    "A file ends in .py: my_tasks.py:DMS.",
                )
            _refuse("a module of tasks that can be imported", self.place, error)


_DEFINITIONS: dict[type, Definition] = {}


def is_own(name: object) -> bool:
    """Whether a name is that of a task of the user's own, which has its class after a colon."""
    return isinstance(name, str) and ":" in name


def define(name: str, folder: Path) -> Definition:
    """The definition of a task of this name, as it is now.

    Args:
        name: "my_tasks.py:DMS", where a relative path starts at `folder`; or "package.module:DMS".

    Raises:
        InvalidInput: there is no such file.
    """
    place, _, wanted = name.rpartition(":")
    if not (place and wanted):
        must_have("a task of your own as my_tasks.py:MyTask or package.module:MyTask", repr(name))
    if not place.endswith(".py"):
        return Definition(name, folder.resolve())
    path = folder / path_of(place)
    if not path.is_file():
        others = sorted(other.name for other in path.parent.glob("*.py")) if path.parent.is_dir() else []
        check_known([path.name], others, f"a file of tasks at {path.parent.resolve()}", "No such file is there.")
    return Definition(f"{path.name}:{wanted}", path.resolve().parent, path.read_bytes())


def remember(definition: Definition) -> None:
    """Trust a definition from now on, which the user has named or looked at."""
    consent.remember(definition.programs())


def check_trusted(definition: Definition, path: Path) -> None:
    """Refuse what a directory names that was neither trained on here nor looked at.

    Args:
        path: the file that holds the definition's code; of a module, the file that names it.

    Raises:
        InvalidInput: the file or module is not trusted, or the folder is not that it may import from.
    """
    known = consent.trusted()
    strange = {digest: words for digest, words in definition.programs().items() if digest not in known}
    if not strange:
        return
    places = {definition.sha256: path, consent.of_folder(definition.folder): definition.folder}
    calls = [f"gnode.tasks.trust({str(places[digest])!r})" for digest in strange if digest in places]
    must_have(
        f"only programs that you trust in {str(path)!r}",
        f"{' and '.join(strange.values())}, which would be executed",
        f"Look at it, then add --trust to the command, or in Python {', '.join(calls)}, or set "
        f"{consent.VARIABLE}={','.join(strange)}.",
    )


def loaded_from(kind: type) -> Definition | None:
    """The definition that a class was loaded from, if any."""
    return _DEFINITIONS.get(kind)


def imported_from(kind: type) -> Definition | None:
    """The file or the module that a class was imported from.

    None for a class of the script that runs, or of a notebook: to load it would run the script once more.
    """
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file is None or kind.__module__ == "__main__" or getattr(module, kind.__qualname__, None) is not kind:
        return None
    depth = kind.__module__.count(".") + (Path(file).name == "__init__.py")
    folder = Path(file).resolve().parents[depth]
    if depth or not file.endswith(".py"):
        return Definition(f"{kind.__module__}:{kind.__qualname__}", folder)
    return define(f"{Path(file).name}:{kind.__qualname__}", folder)


def _task_in(module: ModuleType, definition: Definition) -> type[Task]:
    """The class of a definition; InvalidInput where it is none that makes tasks."""
    wanted = definition.name.rpartition(":")[2]
    found = vars(module)
    there = [
        name
        for name, kind in found.items()
        if isinstance(kind, type) and issubclass(kind, Task) and (kind.__module__ == module.__name__ or name == wanted)
    ]
    if wanted not in found:
        tasks = ", ".join(there) or "none, so no subclass of gnode.tasks.Task"
        check_known([wanted], there, f"the name of a task in {definition.place} ({tasks})")
    kind = found[wanted]
    if wanted not in there:
        what = f"the class {wanted}" if isinstance(kind, type) else f"{wanted}, which is of type {type(kind).__name__}"
        must_have(f"a subclass of gnode.tasks.Task in {definition.name}", f"{what}")
    if missing := sorted(kind.__abstractmethods__):
        must_have(f"input_size, output_size and sample in {definition.name}", f"no {' and no '.join(missing)}")
    if "__dataclass_fields__" in vars(kind):
        return kind
    options = [name for name, what in inspect.get_annotations(kind).items() if "ClassVar" not in str(what)]
    if options or "__init__" in vars(kind):
        must_have(
            f"the options of {definition.name} as fields of a dataclass",
            options[0] if options else "an __init__",
            f"Write @dataclass(frozen=True, kw_only=True) above class {wanted}.",
        )
    return kind


def make_own(kind: type[Task], options: dict[str, Any]) -> Task:
    """A task of the user's own with these options, all of which it knows."""
    required = [item.name for item in dataclasses.fields(kind) if item.init and _is_required(item)]
    if missing := [name for name in required if name not in options]:
        must_have(f"a value for {' and '.join(missing)}, which {kind.__name__} has no default for", "none")
    with in_own_code(kind, "takes its options"):
        return kind(**options)


def _is_required(item: dataclasses.Field) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


@contextlib.contextmanager
def in_own_code(kind: type, does: str) -> Iterator[None]:
    """What a task of the user's own raises becomes one line that says where. Of other tasks nothing is changed.

    Args:
        kind: the class of the task.
        does: what it is to do meanwhile, as "draws trials".
    """
    try:
        yield
    except GnodeError:
        raise
    except Exception as error:
        definition = loaded_from(kind)
        if definition is None:
            raise
        _refuse(f"a task that {does}", definition.name, error)


def _refuse(expected: str, place: str, error: BaseException) -> NoReturn:
    """One line about an error in a file of the user's own, with the innermost line of a file named like it."""
    name = Path(place.rpartition(":")[0] or place).name
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == name]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f", line {lines[-1]}" if lines and lines[-1] else ""
    said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    try:
        must_have(expected, f"{place}{where}: {type(error).__name__}{f': {said}' if said else ''}")
    except GnodeError as line:
        raise line from error
