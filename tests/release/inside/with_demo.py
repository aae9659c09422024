"""`[demo]`: it runs to its end, on a server of its own, and all is as it should be.

Its examples are not in the wheel: they come with a checkout, and here from the one around it.
"""

import sys
from pathlib import Path

from redis_pool_ext.__main__ import main

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[3]))
    sys.exit(main(["demo", "--once"]))
