"""Independent jobs, on every core of this machine or on a Ray cluster.

A worker is a process that uses one core: XLA's thread pool has one thread there. So what a job computes depends neither
on what runs beside it nor on how many cores the machine has, and n workers keep n cores busy.
"""

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

from gnode.errors import GnodeError, InvalidInput, look_up, must_have

ATTEMPTS = 4  # a job whose worker dies so often is given up
IN_FLIGHT = 1000  # jobs that Ray holds at a time; it queues them and starts them wherever there is room
REACH_SECONDS = 10.0  # how long a Ray cluster may take to answer

GUARD = "Put what calls it into a file, under: if __name__ == '__main__':"

_UNBORN = f"Must have workers that start, instead got one that ended while it imported the script. {GUARD}"

Outcome = tuple[int, Any]  # the job's index, and what the function returned or the Exception that it raised


class WorkerDied(GnodeError):
    """The process that ran a job was killed or crashed, again and again."""


def run_jobs(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    *,
    workers: int | None = None,
    on: str = "local",
    address: str | None = None,
) -> Iterator[Outcome]:
    """Run `function` on every job, and yield (index of the job, outcome) as each is done, in any order.

    The outcome is what the function returned, or the Exception that it raised: one job's failure does not disturb the
    others. A job whose worker died (out of memory, killed, its node gone) is started again, on another worker; after
    four deaths its outcome is WorkerDied. Closing the iterator, an exception in the caller's loop (Ctrl-C) and the
    caller's death end all local workers at once, in mid-job; what they were writing must be written atomically.

    Args:
        function: defined at the top level of a module that the workers can import.
        jobs: plain data, or anything else that can be pickled. They start in this order: put the longest first.
        workers: at most so many jobs at a time; None for one per core (local), or for as many as the cluster has room
            for (Ray).
        on: "local" for processes of this machine, "ray" for a Ray cluster, which then schedules, ships and retries.
        address: of the cluster ("host:port", "auto", "ray://..."); None for the one that RAY_ADDRESS names, or a fresh
            one on this machine.

    Raises:
        InvalidInput: an unknown engine, a number of workers that cannot be, or Ray is not installed; a script that
            workers cannot import.
        GnodeError: no Ray answers at the address.

    A script that calls it needs the usual `if __name__ == "__main__":`, since workers import the script.
    """
    check(workers, on, address, ENGINES)
    return ENGINES[on](function, jobs, workers, address)


def check(workers: int | None, on: str, address: str | None, engines: Mapping[str, Any]) -> None:
    """Raises InvalidInput where `run_jobs` would, had it these engines, without starting anything."""
    look_up("engine", on, engines)
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        must_have("workers an integer of at least 1", repr(workers))
    if address is not None and not isinstance(address, str):
        must_have("an address as host:port, or auto", repr(address))
    if address is not None and on != "ray":
        must_have("on='ray' with an address", repr(on))
    if on == "local":
        _check_script()


def _check_script() -> None:
    """Raises InvalidInput where workers could not import the script that calls; ends a worker that imports it now."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)  # without a word: the caller will say why
    if getattr(sys.modules["__main__"], "__file__", None) == "<stdin>":
        must_have("a script in a file, which workers can import", "one from standard input", GUARD)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _outcome(function: Callable[[Any], Any], job: Any) -> Any:
    """What a worker does with a job."""
    _use_one_core()
    return attempt(function, job)


def attempt(function: Callable[[Any], Any], job: Any) -> Any:
    """What the function returns for the job, or the Exception that it raises."""
    try:
        return function(job)
    except Exception as error:
        return error


def _use_one_core() -> None:
    """Takes effect where it comes before the first computation: XLA sizes its pool when JAX makes its devices."""
    import jax  # late: the caller has no need of it

    os.environ["NPROC"] = "1"
    jax.config.update("jax_platforms", "cpu")  # a GPU, if there is one, is not for many processes to share


def _given_up(index: int) -> WorkerDied:
    return WorkerDied(f"The worker of job {index} died {ATTEMPTS} times: killed, crashed or out of memory.")


# -- this machine --


def _locally(
    function: Callable[[Any], Any], jobs: Sequence[Any], workers: int | None, address: None
) -> Iterator[Outcome]:
    # A pool of one process each, because the death of a process takes its whole pool with it.
    context = multiprocessing.get_context("spawn")
    alive, lifeline = context.Pipe(duplex=False)
    started = context.RawValue("b", 0)  # whether any worker has come so far

    def pool() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, context, _start_worker, (alive, started))

    idle = [pool() for _ in range(min(workers or cores(), len(jobs)))]
    waiting, deaths = deque(range(len(jobs))), Counter[int]()
    running: dict[Future, tuple[int, ProcessPoolExecutor]] = {}
    finished: list[Outcome] = []
    try:
        while waiting or running:
            while waiting and idle:
                index, chosen = waiting.popleft(), idle.pop()
                try:
                    running[chosen.submit(_outcome, function, jobs[index])] = index, chosen
                except BrokenProcessPool:  # it died while it had nothing to do
                    waiting.appendleft(index)
                    idle.append(pool())
            yield from finished  # once every worker is busy again
            finished = []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, used = running.pop(future)
                try:
                    finished.append((index, future.result()))
                    idle.append(used)
                except BrokenProcessPool:
                    if not started.value:
                        raise InvalidInput(_UNBORN) from None
                    idle.append(pool())
                    deaths[index] += 1
                    if deaths[index] < ATTEMPTS:
                        waiting.appendleft(index)
                    else:
                        finished.append((index, _given_up(index)))
        yield from finished
    finally:
        lifeline.close()
        for used in (*idle, *(used for _, used in running.values())):
            used.shutdown(cancel_futures=True)
        alive.close()


def _start_worker(alive: Connection, started: Any) -> None:
    """Says that a worker is there; ends it when the other end of the pipe closes: the caller has stopped, or died."""

    def watch() -> None:
        try:
            alive.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    started.value = 1
    _use_one_core()
    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the caller answers it


# -- a cluster --


def _on_ray(
    function: Callable[[Any], Any], jobs: Sequence[Any], workers: int | None, address: str | None
) -> Iterator[Outcome]:
    try:
        import ray
    except ImportError:
        must_have("Ray for on='ray'", "none", "Install it: pip install 'gnode[cluster]'.")
    joined = not ray.is_initialized()
    if joined:
        _join(address)
    task = ray.remote(_outcome).options(num_cpus=1, max_retries=ATTEMPTS - 1)
    shared, waiting = ray.put(function), deque(range(len(jobs)))
    running: dict[Any, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (workers or IN_FLIGHT):
                index = waiting.popleft()
                running[task.remote(shared, jobs[index])] = index
            first, _ = ray.wait(list(running), num_returns=1)
            also, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
            for reference in {*first, *also}:
                index = running.pop(reference)
                try:
                    yield index, ray.get(reference)
                except ray.exceptions.RayError:
                    yield index, _given_up(index)
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if joined:
            ray.shutdown()


def _join(address: str | None) -> None:
    """Connect to the cluster at the address, after a look whether one is there: Ray itself waits for over a minute."""
    import ray

    address = address or os.environ.get("RAY_ADDRESS")
    if address and ":" in address and "://" not in address and (why := _refusal(address)):
        raise GnodeError(why)
    start: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
    try:
        ray.init(**start, log_to_driver=False, logging_level=logging.ERROR)
    except (ValueError, ConnectionError, ImportError, SystemExit) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise GnodeError(f"Could not join the Ray cluster {address or 'of this machine'}: {lines[0]}") from error


def _refusal(address: str) -> str | None:
    """Why nothing can be joined at host:port; None where a cluster answers."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), REACH_SECONDS / 4).close()
        # Something listens; whether it is Ray, its own command knows.
        check = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        found = subprocess.run(check, capture_output=True, timeout=REACH_SECONDS)
        if found.returncode == 0:
            return None
        if b"AuthToken" in found.stdout + found.stderr:
            return (
                f"The Ray cluster at {address} asks for its token. Set RAY_AUTH_MODE=token, and have the token in "
                "RAY_AUTH_TOKEN or in ~/.ray/auth_token."
            )
    except (OSError, ValueError, OverflowError, subprocess.TimeoutExpired):
        pass
    return f"No Ray cluster answers at {address}. Start one with `ray start --head`, or name another."


ENGINES: dict[str, Callable[[Any, Sequence[Any], int | None, Any], Iterator[Outcome]]] = {
    "local": _locally,
    "ray": _on_ray,
}
