"""
What a release must never duplicate or flip: databases, brokers and caches (rule R36).

Two of them at once split the data, and no rollback brings it together again. They are known
by the platform key (`platform: {rds: …}`) and by the program that `local.command` starts, also
behind wrappers and inside `sh -c "…"`. This is a guard against a slip, not against a will to
get past it: a script of another name that starts a database is not seen.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

_RESOURCE_WORDS: Final = """
    rds aurora dynamodb elasticache memorydb documentdb neptune redshift msk sqs sns kinesis mq
    efs ebs s3 opensearch postgres postgresql mysql mariadb mongodb mongo redis valkey memcached
    kafka rabbitmq nats pulsar etcd zookeeper consul cassandra scylla clickhouse elasticsearch
    cockroachdb sqlserver mssql oracle database db broker cache queue statefulset
"""
_PROGRAM_WORDS: Final = """
    postgres postmaster pg_ctl pg_ctlcluster pgctl mysqld mysqld_safe mysqld_multi mariadbd
    mariadbd-safe mongod redis-server redis-sentinel valkey-server valkey-sentinel keydb-server
    dragonfly memcached rabbitmq-server rabbitmqctl kafka-server-start zookeeper-server-start
    zkserver activemq artemis mosquitto nats-server pulsar beanstalkd etcd consul clickhouse
    clickhouse-server cassandra scylla elasticsearch opensearch influxd cockroach tidb-server
    tikv-server yugabyted neo4j couchdb couchbase-server rethinkdb arangod sqlservr rqlited
    surreal questdb qdrant weaviate milvus
"""
_RESOURCES: Final = frozenset(_RESOURCE_WORDS.split())
_PROGRAMS: Final = frozenset(_PROGRAM_WORDS.split())
_IMAGES: Final = _PROGRAMS | _RESOURCES - {"s3", "db", "database", "queue", "cache", "broker"}
_CLASSES: Final = frozenset(
    {
        "kafka.Kafka",
        "org.apache.cassandra.service.CassandraDaemon",
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        "org.elasticsearch.bootstrap.Elasticsearch",
        "org.opensearch.bootstrap.OpenSearch",
    }
)
# Wrapper → how many words of its own it takes before the program, and which options take a word.
_WRAPPERS: Final[dict[str, tuple[int, frozenset[str]]]] = {
    name: (int(own), frozenset(options))
    for name, own, *options in map(
        str.split,
        (
            "exec 0 -a", "command 0", "builtin 0", "env 0 -u -C --unset --chdir", "nohup 0",
            "setsid 0", "nice 0 -n --adjustment", "ionice 0 -c -n -p --class --classdata",
            "time 0 -f -o", "timeout 1 -k -s --kill-after --signal", "stdbuf 0 -i -o -e",
            "sudo 0 -u -g -h -p -C -D -R -T --user --group", "doas 0 -u -C", "gosu 1", "su-exec 1",
            "setpriv 0", "chroot 1", "taskset 1", "chrt 1", "flock 1 -w -E", "numactl 0 -C -N -m",
            "tini 0 -e", "dumb-init 0 -r", "catatonit 0", "unshare 0", "strace 0 -e -o -p -s",
            "systemd-run 0 -p -u", "xargs 0 -n -P -I", "busybox 0", "then 0", "do 0", "else 0",
            "if 0", "while 0", "until 0", "! 0", "{ 0", "( 0",
        ),
    )
}  # fmt: skip
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "busybox-sh"})
_CONTAINERS: Final = frozenset({"docker", "podman", "nerdctl"})
_BARE_FLAGS: Final = frozenset(
    {"-d", "-i", "-t", "-it", "-ti", "-P", "--rm", "--init", "--privileged", "--detach", "--tty",
     "--interactive", "--read-only", "--publish-all"}
)  # fmt: skip
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=.*", re.DOTALL)
_VERSION: Final = re.compile(r"(?:[-._]?v?[0-9][0-9.]*)?(?:\.(?:sh|exe|bin))?\Z")
_DEEPEST: Final = 8


def is_resource(word: str) -> bool:
    """Whether a platform key names a database, a broker or a cache."""
    return word.lower().replace("-", "").replace("_", "") in _RESOURCES


def refusal(what: str) -> tuple[str, str, str, str]:
    """Id, what, why and fix of rule R36, for whatever named the stateful thing."""
    return (
        "CF2601", f"{what} is a database, a broker or a cache",
        "two of them at once split the data, and no rollback joins it again (R36)",
        "release the service that uses it; upgrade the store with its own tools",
    )  # fmt: skip


def program_in(words: Sequence[str]) -> str | None:
    """The stateful program that these shell words start, if they start one."""
    return _found(list(words), 0)


def _found(words: list[str], depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    while words:
        while words and _ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        if not words:
            return None
        name = words[0].rsplit("/", 1)[-1]
        if _is(name, _PROGRAMS):
            return name
        rest = words[1:]
        if name in _SHELLS or name in {"su", "runuser"}:
            return _in_shell(rest, depth)
        if name == "eval":
            return _in_script(" ".join(rest), depth)
        if name in _CONTAINERS:
            return next((image for image in _images(rest) if _is(image, _IMAGES)), None)
        if name == "java":
            return next((word for word in rest if word in _CLASSES), None)
        if name not in _WRAPPERS:
            return None
        split = next((i for i, word in enumerate(rest) if word in {"-S", "--split-string"}), None)
        if name == "env" and split is not None:
            return _in_script(" ".join(rest[split + 1 :]), depth)
        words = _behind(rest, *_WRAPPERS[name])
    return None


def _behind(words: list[str], own: int, valued: frozenset[str]) -> list[str]:
    """What a wrapper starts: its options and its own words taken off."""
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if word.startswith("-") and len(word) > 1:
            at += 2 if word in valued else 1
        elif own and not _ASSIGNMENT.fullmatch(word):
            own -= 1
            at += 1
        else:
            break
    return words[at + own :]


def _in_shell(words: list[str], depth: int) -> str | None:
    for at, word in enumerate(words[:-1]):
        # `-c`, `-lc`, `-ec`, `--command`: the next word is a script.
        if word == "--command" or re.fullmatch(r"-[A-Za-z]*c", word):
            return _in_script(words[at + 1], depth)
    return None


def _in_script(script: str, depth: int) -> str | None:
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        # An open quote: the shell itself will refuse it.
        return None
    command: list[str] = []
    for token in [*tokens, ";"]:
        if token and not set(token) - set(";&|()"):
            found = _found(command, depth + 1)
            if found:
                return found
            command = []
        else:
            command.append(token)
    return None


def _images(words: list[str]) -> Iterator[str]:
    """Words that may be the image of `docker run`: not an option, nor an option's value."""
    before = ""
    for word in words:
        valued = before.startswith("-") and "=" not in before and before not in _BARE_FLAGS
        if not word.startswith("-") and not valued:
            yield re.split(r"[:@]", word.rsplit("/", 1)[-1])[0]
        before = word


def _is(name: str, names: frozenset[str]) -> bool:
    return name.lower() in names or _VERSION.sub("", name.lower(), count=1) in names
