"""A Django project for the tests: settings, views, a session engine on Redis."""
