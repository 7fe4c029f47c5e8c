"""
What must hold outside of traffic before a release opens, and for as long as somebody may want to go back.

`records.py` says what is kept of versions and proofs, `reach.py` which versions may come back and until
when, `say.py` what follows from both: these are pure. `proving.py` makes proofs on a throw-away PostgreSQL,
`database.py` asks the real one and keeps the port.
"""
