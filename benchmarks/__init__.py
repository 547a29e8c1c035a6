"""Side by side against peers: one run measures both, ratios come out. Start it with `make bench`."""
