"""R36: databases, brokers and caches are never the thing to release."""

from __future__ import annotations

import shlex

import pytest

from crossfade.spec import stateful


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("postgres -p {port}", "postgres"),
        ("/usr/lib/postgresql/16/bin/postgres -p {port}", "postgres"),
        ("postgres-16 -p {port}", "postgres-16"),
        ("mysqld --port={port}", "mysqld"),
        ("mongod --port {port}", "mongod"),
        ("redis-server --port {port}", "redis-server"),
        ("rabbitmq-server", "rabbitmq-server"),
        ("bin/kafka-server-start.sh server.properties", "kafka-server-start.sh"),
        ("memcached -p {port}", "memcached"),
        ("etcd --listen-client-urls http://127.0.0.1:{port}", "etcd"),
        ("clickhouse server", "clickhouse"),
        ("java -Xmx1g kafka.Kafka server.properties", "kafka.Kafka"),
        ("env X=1 postgres -p {port}", "postgres"),
        ("X=1 Y=2 postgres -p {port}", "postgres"),
        ("env -u HOME -C /tmp A=b redis-server", "redis-server"),
        ("env -S 'A=b redis-server'", "redis-server"),
        ("nice -n 5 nohup redis-server", "redis-server"),
        ("timeout -k 5 60 redis-server", "redis-server"),
        ("gosu postgres postgres -p {port}", "postgres"),
        ("sudo -u mysql mysqld", "mysqld"),
        ('sh -c "exec postgres -p {port}"', "postgres"),
        ('bash -lc "cd /data && exec postgres -p {port}"', "postgres"),
        ('sh -c "./prepare; X=1 redis-server & ./serve {port}"', "redis-server"),
        ("sh -c 'sh -c \"exec mongod\"'", "mongod"),
        ('sh -c "if true; then redis-server; fi"', "redis-server"),
        ('sh -c "./prepare\nredis-server"', "redis-server"),
        ("su postgres -c 'postgres -p {port}'", "postgres"),
        ("docker run --rm -p {port}:5432 -e PASSWORD=x postgres:16", "postgres"),
        ("podman run --network kafka -d docker.io/library/redis@sha256:abc", "redis"),
    ],
)
def test_R36_a_command_that_starts_a_store_is_recognised(command: str, program: str) -> None:
    assert stateful.program_in(shlex.split(command)) == program


@pytest.mark.parametrize(
    "command",
    [
        "./serve --port {port}",
        "./serve --db postgres --port {port}",
        "env DATABASE=postgres ./serve {port}",
        "gosu postgres ./serve {port}",
        "sudo -u redis-server ./serve {port}",
        "./postgres-exporter {port}",
        "redis-cli -p {port}",
        "python -m redis_dashboard {port}",
        'sh -c "psql -c 1 && exec ./serve {port}"',
        'sh -c "open quote \'"',
        "sh postgres",
        "docker run --network kafka --name redis -p {port}:80 acme/shop:1",
        "java -jar shop.jar {port}",
        "env",
        "X=1",
        "",
    ],
)
def test_R36_a_service_that_only_uses_a_store_is_not_refused(command: str) -> None:
    assert stateful.program_in(shlex.split(command)) is None


@pytest.mark.parametrize("key", ["rds", "elasticache", "postgres", "Kafka", "memory_db", "redis"])
def test_R36_a_platform_that_is_a_store_is_recognised(key: str) -> None:
    assert stateful.is_resource(key)


@pytest.mark.parametrize("key", ["ecs", "local", "lambda", "kubernetes"])
def test_R36_a_platform_that_runs_services_is_not(key: str) -> None:
    assert not stateful.is_resource(key)
