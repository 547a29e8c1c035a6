"""Linear algebra on one thread: for many small matrices more of them only get in each other's way."""

from threadpoolctl import threadpool_limits  # comes with scikit-learn

# With two BLAS threads on two busy cores, solving a thousand systems of a hundred unknowns took twenty times as long.
one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
