"""The two example applications, as their users start them."""
