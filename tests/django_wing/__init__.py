"""Tests of the Django wing."""
