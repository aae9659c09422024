"""`python -m example_django`: the poll on http://127.0.0.1:8000/ (or on `PORT`)."""

import os

from example_django import manage

manage.main(["manage.py", "runserver", "--noreload", os.environ.get("PORT", "8000")])
