"""The pool of an event loop: the same promises, for tasks instead of threads.

What needs no waiting is shared with the pool of threads, one floor down. Here is what
waits, each file beside its twin of the same name there.
"""
