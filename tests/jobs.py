"""Jobs for workers, which import them from here."""

import os
import signal
from pathlib import Path


def square(number):
    return number * number


def fail(number):
    raise ValueError(f"no {number}")


def die_once(path):
    """Kills its own worker unless the file is there, which it makes first."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die_always(_):
    os.kill(os.getpid(), signal.SIGKILL)


def mixed(job):
    function, argument = job
    return globals()[function](argument)


def wait_for_ever(path):
    import time

    Path(path).write_text(str(os.getpid()))
    time.sleep(1000)
