"""
A laptop AWS: the APIs in moto under our own behaviour, real traffic through a real Envoy.

Rehearses an order of calls, idempotency, ways back and gates; proves nothing about absolute times,
capacity or IAM. LOOPBACK ONLY. What is not modelled is printed at every start.
"""
