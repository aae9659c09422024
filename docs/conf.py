"""How Sphinx makes the site from this folder: `tox -e docs`.

Nothing is fetched, and no page asks another host for anything: no intersphinx, no fonts or
scripts from elsewhere. `site_checks.py` looks at the pages that were made.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import site_checks  # noqa: E402  it has to be found first
import site_links  # noqa: E402

from redis_pool_ext import __version__  # noqa: E402

project = "redis_pool_ext"
author = "the developers of redis_pool_ext"
copyright = f"{author}; MIT licence"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
pygments_dark_style = "github-dark"  # Furo's own underlines what is imported, as if it were links
html_title = f"{project} {version}"
html_copy_source = False
html_show_sphinx = False
smartquotes = False  # what is quoted is copied

# -- pages ---------------------------------------------------------------------------------

# The same text is read on GitHub: its anchors are made in the same way, down to the deepest.
myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]

# -- reference -----------------------------------------------------------------------------

# The modules of the Django wing are imported; its status page is for staff, and asks for whom.
settings.configure(REDIS_POOL_STATUS_GUARD=bool)

# What is not there need not be told of.
_OPTIONAL = {
    "reference/testing.md": "redis_pool_ext.testing",
    "reference/requests.md": "redis_pool_ext.django.requests",
}
exclude_patterns = [page for page, module in _OPTIONAL.items() if find_spec(module) is None]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Imported for type checkers only, so autodoc finds the bare names.
autodoc_type_aliases = {
    "LeasedAsyncRedis": "redis_pool_ext.aio.client.LeasedAsyncRedis",
    "LeasedRedis": "redis_pool_ext.client.LeasedRedis",
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
# Docstrings are plain text, and what stands in backticks is code.
default_role = "literal"

nitpicky = True
nitpick_ignore_regex = [
    # Other people's names: finding their pages takes another host at each build.
    ("py:.*", r"(django|flask|opentelemetry|prometheus_client|redis|werkzeug)\..*"),
    ("py:.*", r"(collections|contextlib|pathlib|types|typing)\..*"),
    ("py:class", r"redis_pool_ext\.(\w+\.)+[A-Z]"),  # type variables
    ("py:class", "Retry"),  # redis-py's, imported for type checkers only
    # Ours, and not for users: they stand in signatures only, and what is promised of them is
    # said where they stand. A connection is redis-py's to its borrower.
    ("py:class", r"redis_pool_ext\.(aio\.)?connection\.Guarded(Async)?Connection"),
    ("py:class", r"redis_pool_ext\.cluster\.(client|engine|lease)\..*"),
    ("py:class", r"(redis_pool_ext\.pooling\.base\.)?PoolBase"),
    ("py:class", r"redis_pool_ext\.(deadline\.Deadline|pooling\.looking\.Holder)"),
    ("py:class", r"redis_pool_ext\.(observing\.Observed|web\.view_decorators\.View)"),
    ("py:class", r"redis_pool_ext\.(cli\.output\.Output|status\.recording\.Recording)"),
]


def setup(app: object) -> None:
    """Have the two modules beside this one take part in the build."""
    site_links.setup(app)
    site_checks.setup(app)
