-- One file, one host. Instants are whole microseconds since 1970 UTC.

create table if not exists meta (
    key text primary key,
    value text not null
) without rowid;

create table if not exists releases (
    id text primary key,
    service text not null,
    plan text not null,
    state text not null,
    schema integer not null,
    rev integer not null default 0,
    wake_at integer not null,
    opened_at integer not null,
    outcome text,
    lease_owner text,
    lease_until integer
);

-- R22: one active release per service.
create unique index if not exists one_active on releases (service) where outcome is null;
create index if not exists due on releases (wake_at) where outcome is null and lease_owner is null;
create index if not exists leased on releases (lease_until) where outcome is null and lease_owner is not null;
create index if not exists opened on releases (service, opened_at);

-- R44: append only, each entry chained to the one before.
create table if not exists journal (
    seq integer primary key,
    release text not null,
    service text not null,
    ts integer not null,
    body text not null,
    prev_hash text not null,
    hash text not null
);

create index if not exists journal_of_release on journal (release, seq);
create index if not exists journal_of_service on journal (service, seq);

create trigger if not exists journal_is_never_changed before update on journal
begin
    select raise(abort, 'the journal is append only');
end;

create trigger if not exists journal_is_never_shortened before delete on journal
begin
    select raise(abort, 'the journal is append only');
end;

create table if not exists inbox (
    number integer primary key,
    id text not null unique,
    release text not null references releases (id),
    verb text not null,
    body text not null,
    sent_at integer not null,
    heard_at integer,
    why text not null default '',
    fix text not null default ''
);

create index if not exists inbox_unheard on inbox (release, number) where heard_at is null;

create table if not exists intervals (
    release text not null,
    kind text not null,
    start integer not null,
    "end" integer not null,
    payload blob not null,
    primary key (release, kind, start)
) without rowid;

create table if not exists hooks (
    key text primary key,
    release text not null,
    runner text not null,
    pid integer not null,
    birth text not null,
    started_at integer not null,
    passed integer,
    text text not null default ''
);

create index if not exists hooks_of_release on hooks (release);

create table if not exists notes (
    release text primary key,
    body text not null
) without rowid;

create table if not exists controllers (
    id text primary key,
    pid integer not null,
    host text not null,
    service text,
    heartbeat integer not null,
    birth text not null default ''
) without rowid;

create table if not exists line (
    number integer primary key autoincrement,
    service text not null,
    revision text not null,
    actor text not null,
    pid integer not null,
    birth text not null,
    since integer not null
);
