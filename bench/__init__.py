"""What things cost, as ratios measured within one run. `./dev bench [--short]`."""
