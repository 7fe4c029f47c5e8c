"""
The database side of a release: is the version that we may have to go back to still fine after this migration?

`prove.py` answers on a throw-away PostgreSQL (`sandbox/`), by running what the versions say, before and after:
`script.py` and `lexer.py` read the SQL, `seed.py` fills the schema with rows that are legal and unkind,
`binding.py` and `vectors.py` find values for parameters, `runs.py` executes, `trace.py` watches the migration's
locks and work. What follows from all that is pure: `compare.py`, `locks.py`, `verdict.py`.
"""
