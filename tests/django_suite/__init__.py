"""Django's own tests of its cache and its sessions, on our backend.

They are in Django's source distribution, not in its wheel, and not here: `python -m
tests.django_suite` fetches those of the Django that is installed, and runs them.
"""
