"""The libraries beside which the pool lives: Flask's extensions, and task queues.

They have an environment of their own: `tox -e stack`, or `pip install -e '.[test,stack]'`
and `pytest tests/stack`. Where one of them is missing the folder is not collected.
"""
