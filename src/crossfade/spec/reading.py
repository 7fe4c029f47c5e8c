"""
The bytes of `crossfade.yaml` as plain values, each with its line and column.

YAML is composed to nodes by ruamel and read from there by ourselves: nodes keep places, and
our own reading of plain words leaves no room for the old traps (`on` as true, `010` as 8,
a second key that silently wins, tags that build objects). Mistakes that hide the rest of the
file end the reading at once; others are noted, their value is dropped and reading goes on.
`load.py` hands the `Document` to the form (`mistakes.py`).

LIMITS: 64 KiB, 20,000 values with aliases written out, 32 levels.
"""

from __future__ import annotations

import re
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from crossfade.spec.findings import Finding, KeyPath, SpecError, dotted
from crossfade.spec.units import shown

MOST_BYTES: Final = 64 * 1024
_MOST_VALUES: Final = 20_000
_MOST_LEVELS: Final = 32
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
# Where the line count of YAML 1.2, and of editors, moves on.
_LINE_END: Final = re.compile("\r\n|[\r\n]")
_OLD_BOOLEANS: Final = frozenset({"yes", "no", "on", "off"})
_CORE: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    _CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
# Dropped because a mistake in it has been noted.
_DROPPED: Final = object()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands, and its key; both count from 1. Items of lists are their own key."""

    line: int
    column: int
    key_line: int
    key_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    file: str
    value: dict[str, Any]
    places: dict[KeyPath, Place]
    findings: tuple[Finding, ...]
    bad: frozenset[KeyPath]
    """Key paths with a finding; what stood there is left out of `value`."""


def read(
    path: Path, *, example: str = "apiVersion: crossfade/v1", empty: str = "run `crossfade init`"
) -> Document:
    """
    The file's values and places. Raises SpecError where nothing sensible can be read.

    `example` is how such a file begins, `empty` what to do where it holds nothing.
    """
    file = str(path)
    text = _decoded(_bytes(path, file), file)
    node = _composed(text, file)
    if node is None:
        raise _fatal(
            (file, 1, 1), "CF1007", "the file is empty", "it holds no value, only blanks or comments",
            empty,
        )  # fmt: skip
    if not isinstance(node, MappingNode):
        line, column = _start(node)
        raise _fatal(
            (file, line, column), "CF1008", "the file is not a mapping of keys to values",
            "its top level is a list or a single value", f"start it with `{example}`",
        )  # fmt: skip
    walk = _Walk(file)
    value = walk.value(node, (), node)
    return Document(
        file=file,
        value=value if isinstance(value, dict) else {},
        places=walk.places,
        findings=tuple(walk.findings),
        bad=frozenset(walk.bad),
    )


def _bytes(path: Path, file: str) -> bytes:
    try:
        about = path.stat()
        # A FIFO or a device would block or never end.
        if not stat.S_ISREG(about.st_mode):
            raise _fatal(
                (file, 0, 0), "CF1002", "this is not a file", "it is a folder or a device",
                "name the file itself, e.g. `crossfade.yaml`",
            )  # fmt: skip
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise _fatal(
            (file, 0, 0), "CF1001", "there is no such file", "nothing lies at this path",
            "run `crossfade init`, or name another file",
        ) from None  # fmt: skip
    except (OSError, ValueError) as error:
        raise _fatal(
            (file, 0, 0), "CF1002", "the file cannot be read",
            str(getattr(error, "strerror", None) or error), "check the path and its permissions",
        ) from error  # fmt: skip
    if len(data) > MOST_BYTES:
        raise _fatal(
            (file, 0, 0), "CF1003", "the file is too large",
            f"a spec is at most {MOST_BYTES // 1024} KiB", "keep data and scripts in other files",
        )  # fmt: skip
    return data


def _decoded(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _end_of(data[: error.start].decode("utf-8-sig"))
        raise _fatal(
            (file, line, column), "CF1004", "the file is not UTF-8",
            f"byte 0x{data[error.start]:02x} stands where no character can",
            "save it as UTF-8",
        ) from None  # fmt: skip


def _composed(text: str, file: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            # An anchor defined twice is legal YAML; the later one counts.
            warnings.simplefilter("ignore")
            node: Node | None = yaml.compose(text)
    except RecursionError:
        raise _too_deep(file, 1, 1) from None
    except MarkedYAMLError as error:
        raise _syntax(error, text, file) from error
    except YAMLError as error:
        # The reader's own error: a control character. Its position counts characters.
        at = min(max(int(getattr(error, "position", 0)), 0), len(text))
        line, column = _end_of(text[:at])
        raise _fatal(
            (file, line, column), "CF1014", "a control character stands in the file",
            "YAML allows none but tab and line ends", "remove it",
        ) from error  # fmt: skip
    except Exception as error:
        # Hostile input reaches defects of the parser itself; to its author it is a syntax error.
        raise _fatal(
            (file, 1, 1), "CF1005", "this is not YAML", f"the parser gave up: {type(error).__name__}",
            "compare the file with the one `crossfade init` writes",
        ) from error  # fmt: skip
    return node


def _syntax(error: MarkedYAMLError, text: str, file: str) -> SpecError:
    mark = error.problem_mark or error.context_mark
    lines = _LINE_END.split(text)
    line = min(mark.line if mark else 0, len(lines) - 1)
    column = min(mark.column if mark else 0, len(lines[line]))
    problem = (error.problem or "the parser stopped here").strip()
    where = (file, line + 1, column + 1)
    if "\t" in lines[line][: column + 1] and not lines[line][:column].strip():
        return _fatal(
            where, "CF1006", "a tab is used to indent",
            "YAML indents with spaces only", "replace the tab by spaces",
        )  # fmt: skip
    if "single document" in (error.context or "") + problem:
        return _fatal(
            where, "CF1010", "a second document starts here",
            "one file describes one service; `---` begins a new document",
            "put the other service into a file of its own",
        )  # fmt: skip
    return _fatal(
        where, "CF1005", "this is not YAML", problem,
        'mend the line, or quote the text with "…"',
    )  # fmt: skip


def _end_of(text: str) -> tuple[int, int]:
    lines = _LINE_END.split(text)
    return len(lines), len(lines[-1]) + 1


def _start(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _fatal(where: tuple[str, int, int], error_id: str, what: str, why: str, fix: str) -> SpecError:
    file, line, column = where
    finding = Finding(id=error_id, file=file, line=line, column=column, what=what, why=why, fix=fix)
    return SpecError((finding,))


def _too_deep(file: str, line: int, column: int) -> SpecError:
    return _fatal(
        (file, line, column), "CF1012", "the file is nested too deep or grows too large",
        f"at most {_MOST_LEVELS} levels and {_MOST_VALUES} values, aliases written out",
        "write the values out without anchors that hold each other",
    )  # fmt: skip


class _Walk:
    """Nodes to values. Keeps places and findings; counts what it visits, so that it ends."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.findings: list[Finding] = []
        self.bad: set[KeyPath] = set()
        self._visited = 0

    def value(self, node: Node, path: KeyPath, key: Node) -> Any:
        self._visited += 1
        if self._visited > _MOST_VALUES or len(path) > _MOST_LEVELS:
            raise _too_deep(self.file, *_start(node))
        self.places[path] = Place(*_start(node), *_start(key))
        tag = str(node.tag)
        match node:
            case ScalarNode() if tag in _PLAIN_TAGS:
                return self._scalar(node, path, tag, key)
            case SequenceNode() if tag == _CORE + "seq":
                items = [self.value(item, (*path, i), item) for i, item in enumerate(node.value)]
                # A hole would shift the places of what follows: the whole list goes.
                return _DROPPED if any(item is _DROPPED for item in items) else items
            case MappingNode() if tag == _CORE + "map":
                return self._mapping(node, path)
            case _:
                return self._drop(
                    "CF1011", path, node, f"the tag {shown(tag)} is not allowed",
                    "a spec holds plain texts, numbers, lists and mappings", "remove the tag",
                )  # fmt: skip

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, child in self._pairs(node, path, 0):
            if key is None:
                continue
            name, key_node, merged = key
            if name in first:
                if not merged:
                    self._drop(
                        "CF1009", (*path, name), key_node, f"the key {shown(name)} stands twice",
                        f"it is already set in line {first[name]}; one of the two would be lost",
                        "keep one of them", keep=True,
                    )  # fmt: skip
                continue
            first[name] = key_node.start_mark.line + 1
            value = self.value(child, (*path, name), key_node)
            if value is not _DROPPED:
                result[name] = value
        return result

    def _pairs(
        self, node: MappingNode, path: KeyPath, level: int
    ) -> Iterator[tuple[tuple[str, Node, bool] | None, Node]]:
        """Own keys first, then those merged by `<<`, which never win over own ones."""
        merges: list[Node] = []
        for key, child in node.value:
            if isinstance(key, ScalarNode) and not key.style and key.value == "<<":
                merges.append(child)
            else:
                name = self._key(key, path)
                yield (None if name is None else (name, key, level > 0)), child
        for merge in merges:
            for base in merge.value if isinstance(merge, SequenceNode) else (merge,):
                if not isinstance(base, MappingNode) or level > _MOST_LEVELS:
                    self._drop(
                        "CF1013", path, merge, "`<<` merges something that is not a mapping",
                        "only mappings have keys to merge", "name an anchor of a mapping",
                    )  # fmt: skip
                    continue
                self._visited += 1
                if self._visited > _MOST_VALUES:
                    raise _too_deep(self.file, *_start(base))
                yield from self._pairs(base, path, level + 1)

    def _key(self, key: Node, path: KeyPath) -> str | None:
        if not isinstance(key, ScalarNode) or not key.value or str(key.tag) not in _PLAIN_TAGS:
            self._drop(
                "CF1013", path, key, "a key is not a word", "keys are names, never lists or empty",
                "write the key as a plain word",
            )  # fmt: skip
            return None
        name = str(key.value)
        if not key.style and name.lower() in _OLD_BOOLEANS:
            self._old_boolean(name, (*path, name), key)
            return None
        if not _clean(name):
            self._unclean((*path, "?"), key)
            return None
        return name

    def _scalar(self, node: ScalarNode, path: KeyPath, tag: str, key: Node) -> Any:
        text = str(node.value)
        if node.style or tag == _CORE + "str":
            if not node.style and text.lower() in _OLD_BOOLEANS:
                return self._old_boolean(text, path, node)
            return text if _clean(text) else self._unclean(path, node)
        if text in {"", "~"} or text.lower() == "null":
            # An empty value stands nowhere: its key is the place to look at.
            return self._drop(
                "CF1104", path, key, f"`{dotted(path)}` has no value",
                "a key without a value would leave open whether its default is meant",
                "write a value, or remove the key to take its default",
            )  # fmt: skip
        if text.lower() in _OLD_BOOLEANS:
            return self._old_boolean(text, path, node)
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _old_boolean(self, text: str, path: KeyPath, node: Node) -> object:
        return self._drop(
            "CF1110", path, node, f"the bare word {shown(text)} is ambiguous",
            "older YAML reads it as true or false, newer YAML as a text",
            f'quote it: "{text}"',
        )  # fmt: skip

    def _unclean(self, path: KeyPath, node: Node) -> object:
        return self._drop(
            "CF1014", path, node, "a control character stands in a text",
            "no name, path or command can hold it", "remove it, or its escape",
        )  # fmt: skip

    def _drop(self, error_id: str, path: KeyPath, node: Node, *said: str, keep: bool = False) -> object:
        what, why, fix = said
        line, column = _start(node)
        self.findings.append(
            Finding(
                id=error_id,
                file=self.file,
                line=line,
                column=column,
                what=what,
                why=why,
                fix=fix,
                key_path=dotted(path),
            )
        )
        if not keep:
            self.bad.add(path)
        return _DROPPED


def _clean(text: str) -> bool:
    """No control characters but tab and newline, and no half of a surrogate pair."""
    return not any(
        (c < " " and c not in "\t\n") or "\x7f" <= c < "\xa0" or "\ud800" <= c <= "\udfff" for c in text
    )
