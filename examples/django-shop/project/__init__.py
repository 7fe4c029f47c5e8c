"""Settings and the way in, the same in every release; `shop` is the one that `--pythonpath` names."""
