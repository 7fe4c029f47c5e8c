"""The third release: every order knows where it came from."""
