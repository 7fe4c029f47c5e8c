"""`migrate lint` reads what breaks off, lacks a word, or is a heap of words, and raises nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.lexer import words
from crossfade.migrations.lint.check import lint

SAID = [
    "ALTER TABLE ONLY s.t * ADD COLUMN IF NOT EXISTS c varchar(9) DEFAULT f(1) CHECK (c > 0) REFERENCES o (id)",
    "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES o (id) ON DELETE SET NULL NOT VALID, DROP COLUMN b",
    "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b) WITH (fillfactor = 7) USING INDEX TABLESPACE s",
    "ALTER TABLE t ALTER COLUMN c SET DATA TYPE numeric(9, 2) COLLATE x USING c::numeric, RENAME TO u",
    "ALTER TABLE t ALTER c ADD GENERATED ALWAYS AS IDENTITY (START 1), VALIDATE CONSTRAINT x, ADD NOT NULL c",
    "ALTER TABLE t ADD PRIMARY KEY USING INDEX i, ATTACH PARTITION p FOR VALUES IN (1), RENAME CONSTRAINT a TO b",
    "CREATE TEMP TABLE IF NOT EXISTS t (a int PRIMARY KEY, CHECK (a IS NOT NULL AND b > 0), EXCLUDE USING gist (a))",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING btree (lower(a)) INCLUDE (b) WHERE c = 1",
    "WITH RECURSIVE a (b) AS MATERIALIZED (UPDATE t SET c = 1 RETURNING d) INSERT INTO t SELECT * FROM a WHERE x = 1",
    "DROP TABLE IF EXISTS a, s.b, f(int, text) CASCADE",
    "SET LOCAL lock_timeout TO '0ms'; SET search_path = a; SET TIME ZONE 'UTC'; LOCK TABLE a, b IN SHARE MODE",
    "EXPLAIN (ANALYZE) MERGE INTO t USING u ON (a = 1) WHEN NOT MATCHED THEN INSERT (a) VALUES (f(1))",
    "ALTER TYPE e ADD VALUE 'x' BEFORE 'y'; CREATE DOMAIN d AS int CHECK (VALUE > 0); ALTER DOMAIN d SET NOT NULL",
    "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING; CREATE POLICY p ON t AS RESTRICTIVE USING (a)",
]


@pytest.mark.parametrize("sql", SAID)
def test_a_statement_that_breaks_off_or_lacks_a_word_breaks_nothing(sql: str) -> None:
    tokens = [one.text for one in words(sql)]
    for at in range(len(tokens)):
        lint(" ".join(tokens[:at]), "m.sql")
        lint(" ".join(tokens[at:]), "m.sql")
        lint(" ".join(tokens[:at] + tokens[at + 1 :]), "m.sql")


@given(st.lists(st.sampled_from(sorted({one.text for sql in SAID for one in words(sql)})), max_size=12))
def test_no_heap_of_words_breaks_it(heap: list[str]) -> None:
    text = " ".join(heap)
    lint(text, "m.sql")
    for lead in ("ALTER TABLE t ADD", "ALTER TABLE t ALTER", "CREATE TABLE t (", "CREATE INDEX", "DROP"):
        lint(f"{lead} {text}", "m.sql")
