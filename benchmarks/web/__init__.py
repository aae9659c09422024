"""Web applications that do the same on one client or another, each in its own process."""
