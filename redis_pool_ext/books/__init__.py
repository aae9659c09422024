"""The books of a pool: who has what, who waits, who is next. No I/O, no lock, no wait."""
