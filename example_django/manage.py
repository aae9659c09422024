"""Django's command line: `python example_django/manage.py runserver`."""

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Run a Django command, with what a developer has not set up."""
    from example_django import development

    development.prepare()  # first, because the settings read it when they are imported
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_django.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


if __name__ == "__main__":
    # Python looks for modules beside this file; the package is one folder further up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    main(sys.argv)
