"""What was measured of the pools of this process, and how large they should be."""
