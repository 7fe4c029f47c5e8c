-- Every statement of the store, under its name. Parameters are named.

-- name: insert_release
insert into releases (id, service, plan, state, schema, wake_at, opened_at, outcome)
values (:id, :service, :plan, :state, :schema, :wake_at, :opened_at, null);

-- name: active
select * from releases where service = :service and outcome is null;

-- name: row
select * from releases where id = :id;

-- name: rows_with_prefix
select * from releases where id >= :low and id < :high limit 2;

-- name: releases
select * from releases where :service is null or service = :service
order by opened_at desc, id desc limit :limit;

-- name: services
select distinct service from releases order by service;

-- name: head
select value from meta where key = 'head';

-- name: set_head
insert into meta (key, value) values ('head', :value)
on conflict (key) do update set value = excluded.value;

-- name: append
insert into journal (seq, release, service, ts, body, prev_hash, hash)
values (:seq, :release, :service, :ts, :body, :prev_hash, :hash);

-- name: entries
select * from journal where seq > :after order by seq limit :limit;

-- name: entries_of_release
select * from journal where release = :release and seq > :after order by seq limit :limit;

-- name: entries_of_service
select * from journal where service = :service and seq > :after order by seq limit :limit;

-- name: last_seq
select max(seq) from journal;

-- name: insert_command
insert or ignore into inbox (id, release, verb, body, sent_at)
values (:id, :release, :verb, :body, :sent_at);

-- name: wake
-- Never later than promised: how late a look is tells how long nobody looked.
update releases set wake_at = min(wake_at, :now) where id = :id and outcome is null;

-- name: inbox
select body from inbox where release = :release and heard_at is null order by number;

-- name: unheard
select exists (select 1 from inbox where release = :release and heard_at is null);

-- name: heard
update inbox set heard_at = :heard_at, why = :why, fix = :fix where id = :id and heard_at is null;

-- name: command
select * from inbox where id = :id;

-- name: next_free
select min(wake_at) from releases
where outcome is null and lease_owner is null and schema <= :schema and (:service is null or service = :service);

-- name: next_leased
select min(max(wake_at, lease_until)) from releases
where outcome is null and lease_owner is not null and schema <= :schema
and (:service is null or service = :service);

-- name: due
select coalesce(
    (
        select id from releases
        where outcome is null and lease_owner is null and wake_at <= :now and schema <= :schema
        and (:service is null or service = :service)
        order by wake_at limit 1
    ),
    (
        select id from releases
        where outcome is null and lease_owner is not null and lease_until <= :now and wake_at <= :now
        and schema <= :schema and (:service is null or service = :service)
        order by lease_until limit 1
    )
);

-- name: claim
update releases set lease_owner = :owner, lease_until = :until
where id = :id and outcome is null and schema <= :schema and (lease_owner is null or lease_until <= :now)
returning *;

-- name: check
select 1 from releases
where id = :id and rev = :rev and lease_owner = :owner and lease_until > :now;

-- name: extend
update releases set lease_until = :until
where id = :id and rev = :rev and lease_owner = :owner and lease_until > :now;

-- name: save
update releases set
    state = :state, schema = :schema, rev = rev + 1, wake_at = :wake_at, outcome = :outcome,
    lease_owner = iif(:done, null, lease_owner), lease_until = iif(:done, null, lease_until)
where id = :id and rev = :rev and lease_owner = :owner and lease_until > :now;

-- name: release_claim
update releases set lease_owner = null, lease_until = null
where id = :id and rev = :rev and lease_owner = :owner;

-- name: put_interval
insert into intervals (release, kind, start, "end", payload)
values (:release, :kind, :start, :end, :payload)
on conflict (release, kind, start) do update set "end" = excluded."end", payload = excluded.payload;

-- name: intervals
select * from intervals
where release = :release and (:kind is null or kind = :kind) and start >= :after order by start;

-- name: put_note
insert into notes (release, body) values (:release, :body)
on conflict (release) do update set body = excluded.body;

-- name: note
select body from notes where release = :release;

-- name: hook_started
insert into hooks (key, release, runner, pid, birth, started_at)
values (:key, :release, :runner, :pid, :birth, :started_at)
on conflict (key) do update set
    runner = excluded.runner, pid = excluded.pid, birth = excluded.birth, started_at = excluded.started_at
where passed is null;

-- name: hook_finished
update hooks set passed = :passed, text = :text where key = :key and runner = :runner and passed is null;

-- name: hooks
select * from hooks where release = :release order by started_at, key;

-- name: heartbeat
insert into controllers (id, pid, host, service, heartbeat, birth)
values (:id, :pid, :host, :service, :heartbeat, :birth)
on conflict (id) do update set heartbeat = excluded.heartbeat;

-- name: forget
delete from controllers where id = :id;

-- name: drivers
select * from controllers
where :service is null or service is null or service = :service order by heartbeat desc, id;

-- name: join_line
insert into line (service, revision, actor, pid, birth, since)
values (:service, :revision, :actor, :pid, :birth, :since)
returning number;

-- name: line
select * from line where service = :service order by number;

-- name: leave_line
delete from line where number = :number;
