"""What an ASGI server imports: `uvicorn example_django.asgi:application`.

The views are the same: Django runs each in a thread, with a lease from the pool for threads. An
`async def` view has `request.aredis`, from the pool of its event loop.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_django.settings")

application = get_asgi_application()
