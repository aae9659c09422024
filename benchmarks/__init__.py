"""What the pool costs, beside its peers: `python -m benchmarks` measures and writes it all."""
