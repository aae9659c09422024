"""`[cli]`: a command prints a table."""

import contextlib
import io
import sys

from redis_pool_ext.__main__ import main

with contextlib.redirect_stdout(io.StringIO()) as printed:
    assert main(["ping", "--url", sys.argv[1]]) == 0
assert len(printed.getvalue().splitlines()) > 2, printed.getvalue()
print(printed.getvalue())
