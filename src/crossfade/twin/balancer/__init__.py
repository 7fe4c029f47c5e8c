"""Load balancers of the twin: what the API says they should do (`model.py`), done by a real Envoy."""
