"""What a web request has of the pool, and what its view may say of itself: for both wings."""
