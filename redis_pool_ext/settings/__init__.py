"""Settings: read from where they may stand, checked by rule, and told of when they are wrong."""
