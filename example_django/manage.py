"""Django's command line: `python example_django/manage.py runserver`."""

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Run a Django command, with a Redis of our own if `REDIS_URL` names none."""
    from example_django.local_redis import redis_url

    redis_url()  # first, because the settings read REDIS_URL when they are imported
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_django.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


if __name__ == "__main__":
    # Python looks for modules beside this file; the package is one folder further up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    main(sys.argv)
