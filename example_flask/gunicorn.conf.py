"""Production: `gunicorn --config example_flask/gunicorn.conf.py`.

Connections in all: workers x (threads + 2 for the reports), and one more for each process that
runs a command. `flask redis-pool doctor` compares that with what the server allows.
"""

import os

wsgi_app = "example_flask.wsgi:app"
bind = os.environ.get("BIND", "127.0.0.1:8000")

workers = int(os.environ.get("WEB_CONCURRENCY", "2"))  # one or two for each core
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))
# As many connections as threads: then no thread of this worker ever waits for one. With fewer,
# Redis has less to bear, and requests queue.
os.environ.setdefault("POOL_MAX_CONNECTIONS", str(threads))

# The application is loaded once, before the fork. That is safe: nothing connects at import, and
# a pool finds out by itself that it is in a child. So there is no post_fork hook here.
preload_app = True

# Seconds that a request may go on after SIGTERM: the longest report takes ten. A process that
# ends closes its sockets, so there is no worker_exit hook either.
graceful_timeout = 15

accesslog = "-"  # to standard output
