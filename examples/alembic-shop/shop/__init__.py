"""A small shop. `v1`, `v2` and `v3` are its releases, side by side instead of in three images."""
