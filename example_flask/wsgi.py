"""What a WSGI server imports: `gunicorn --config example_flask/gunicorn.conf.py`."""

from .app import create_app

app = create_app()
