"""A live poll in Flask: votes, sessions and a rate limit on one small Redis pool."""
