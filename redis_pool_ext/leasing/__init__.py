"""What leases of threads and of tasks have in common."""
