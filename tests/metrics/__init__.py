"""What tells of the pools: events, metrics, traces, logs."""
