"""What goes over a connection: bytes out, replies in, what is owed, and what stays behind."""
