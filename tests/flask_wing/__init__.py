"""The Flask wing, on a real server. Not named `flask`: that would shadow the framework."""
