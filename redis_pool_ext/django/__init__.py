"""The Django wing: settings from `REDIS_POOLS`, a lease per request, 503 when there is none."""
