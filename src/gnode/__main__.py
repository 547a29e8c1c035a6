"""`python -m gnode` is the command `gnode`."""

from gnode.cli import main

if __name__ == "__main__":  # worker processes import this module too
    main()
