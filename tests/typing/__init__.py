"""Files that type checkers read, and nobody runs: `tox -e types`."""
