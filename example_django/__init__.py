"""A live poll in Django: votes, sessions and a rate limit on one small Redis pool."""
