"""`python -m example_flask`: the poll on http://127.0.0.1:5000/ (or on `PORT`)."""

import os

from example_flask.development import create_app

create_app().run(port=int(os.environ.get("PORT", "5000")), threaded=True)
