"""
Runs schema changes on the real database, so that nobody waits longer than was promised.

`ledger.py` is what has run, in the database itself. NOTHING HERE KNOWS OF RELEASES: whether a contract may
run, and whether a version still needs what an abort takes away, is asked through callables.
"""
