"""Linear algebra on one thread: for many small matrices more of them only get in each other's way."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def one_thread(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The function with BLAS on one thread while it runs.

    With two threads on two busy cores, solving a thousand systems of a hundred unknowns took twenty times as long.
    """

    @functools.wraps(function)
    def on_one_thread(*arguments: Given.args, **options: Given.kwargs) -> Answer:
        # Comes with scikit-learn. Imported here, because importing it sets environment variables.
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*arguments, **options)

    return on_one_thread
