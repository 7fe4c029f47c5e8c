"""The rules of `migrate lint`: what each finds, how bad it is, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["error", "warning", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `breaks`: about versions that still need the old shape, and so no fault of a contract."""

    name: str
    level: Level
    why: str
    breaks: bool = False


def _locks(name: str, why: str) -> Rule:
    return Rule(name=name, level="error", why=why)


def _breaks(name: str, why: str) -> Rule:
    return Rule(name=name, level="error", why=why, breaks=True)


def _differs(name: str, why: str) -> Rule:
    return Rule(name=name, level="warning", why=why, breaks=True)


def _warns(name: str, why: str) -> Rule:
    return Rule(name=name, level="warning", why=why)


_ALL: Final = (
    _locks("change-type", "the table is written anew, its indexes too, while readers and writers wait"),
    _locks("set-not-null", "every row is read while readers and writers wait"),
    _locks("not-null-without-default", "it fails where there are rows, and an old INSERT fails after it"),
    _locks("volatile-default", "the default may be another one for each row: the table is written anew"),
    _locks("computed-column", "each row gets a value of its own: the table is written anew"),
    _locks("column-of-domain", "the domain's rule is checked for each row: the table is written anew"),
    _locks("column-with-constraint", "an index is built, or rows are checked, under the lock of ADD COLUMN"),
    _locks("add-check", "every row is checked while readers and writers wait"),
    _locks("add-foreign-key", "every row is checked while writers of both tables wait"),
    _locks("add-unique", "an index is built while readers and writers wait"),
    _locks("add-exclude", "an index is built while everybody waits, and there is no way online"),
    _locks("attach-partition", "every row of the partition is checked while it is locked"),
    _locks("beside-default-partition", "every row of the default partition is checked while it is locked"),
    _locks("create-index", "writers wait for as long as the index is built"),
    _locks("rebuild", "the table or index is written anew while everybody waits"),
    _locks("refresh-view", "readers wait until the view is made anew"),
    _locks("lock-table", "writers, or everybody, wait until the transaction ends"),
    _locks("domain-constraint", "every table with a column of the domain is checked under a lock"),
    _locks("whole-table-dml", "as many rows as there are change in one go: their writers wait for its end"),
    _locks("validate-in-same-transaction", "the strong lock of before is kept while every row is checked"),
    _locks("concurrently-in-transaction", "PostgreSQL refuses it inside a transaction"),
    _locks("enum-value-used", "a label that was added in a transaction cannot be used before its end"),
    _locks("refused", "PostgreSQL refuses it, whatever the rows are"),
    _locks("newer-server", "the server is too old for it"),
    _breaks("drop-column", "a version that names the column fails"),
    _breaks("rename-column", "the old version fails after it, the new one before it: no order works"),
    _breaks("rename-table", "the old version fails after it, the new one before it: no order works"),
    _breaks("drop-object", "a version that uses it fails"),
    _breaks("rename-object", "a version that names it fails"),
    _breaks("drop-default", "an INSERT that leaves the column out gets NULL, or fails"),
    _breaks("revoke", "a version that needs the right fails"),
    _breaks("row-security", "the application may see fewer rows, or none"),
    _breaks("instead-rule", "what a version writes or reads becomes another statement, or none"),
    _breaks("rename-enum-value", "a version that writes the old label fails"),
    _breaks("detach-partition", "rows of the partition are gone from the table"),
    _differs("tighter", "what an old version writes may be refused from now on"),
    _differs("drop-not-null", "the old version may read a NULL that only the new one writes"),
    _differs("drop-constraint", "the old version may read what only the new one may write"),
    _differs("change-default", "what the old version leaves out becomes something else"),
    _differs("change-sequence", "the old version gets other numbers, or none"),
    _differs("change-owner", "a version that was the owner is none any more"),
    _differs("new-enum-value", "the old version may read a label that it does not know"),
    _differs("replace-object", "the old version calls or reads what is now another one"),
    _differs("trigger", "every version's writes go through it from now on, or no longer"),
    _warns("maybe-rewrite", "quick from some types; from another the table is written anew"),
    _warns("many-rows-inserted", "one long transaction: vacuum and replicas wait for its end"),
    _warns("data-loss", "rows or values are gone, and no rollback brings them back"),
    _warns("drop-index", "everybody waits for a moment; and a query may need it"),
    _warns("index-may-be-invalid", "a build that failed is left invalid, and IF NOT EXISTS then skips it"),
    _warns("no-lock-timeout", "while it waits for its lock, everybody queues behind it"),
    _warns("several-locks", "the lock of the first is kept while the next is waited for"),
    Rule(name="not-readable", level="unknown", why="what it does stands in no word of it"),
)  # fmt: skip

RULES: Final = {one.name: one for one in _ALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A rule, met; `instead` is SQL, or a word on what to do."""

    rule: str
    what: str
    instead: str = ""
