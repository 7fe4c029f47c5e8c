"""
Every error id of `crossfade.yaml`: one line of meaning, and the longer explanation.

CF1xxx is about the form of the file (what it is, which keys, which units), CF2xxx about its
meaning (what cannot be released so). Ids are public API: never reused, never given another
meaning. `crossfade explain CF2104` prints from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explained:
    id: str
    meaning: str
    explanation: str


_TABLE: Final = (
    ("CF1001", "the file does not exist",
     ("Crossfade looks for `crossfade.yaml` in the current folder unless a path is given. "
     "`crossfade init` writes one.")),
    ("CF1002", "the file cannot be read",
     "The path is a folder or a device, or the permissions do not allow reading it."),
    ("CF1003", "the file is too large",
     "A spec is at most 64 KiB: the whole interface written out needs less than a tenth of it."),
    ("CF1004", "the file is not UTF-8",
     ("The position is that of the first byte that is no character. UTF-16 and Latin-1 files have "
     "to be saved again as UTF-8.")),
    ("CF1005", "the file is not YAML",
     ("The YAML parser stopped at this place. The cause is often one line above: an open quote or "
     "bracket, a `:` without a blank behind it, a wrong indent.")),
    ("CF1006", "a tab is used to indent",
     "YAML indents with spaces only, because tabs have no width that all editors agree on."),
    ("CF1007", "the file is empty", "It holds nothing but blanks and comments."),
    ("CF1008", "the file is not a mapping",
     "The top level has to be keys and values, beginning with `apiVersion`."),
    ("CF1009", "a key stands twice in one mapping",
     "Many YAML readers silently keep the last one. Half of an edit would be lost unseen."),
    ("CF1010", "the file holds a second document",
     "`---` begins a new document. One file describes one service."),
    ("CF1011", "a YAML tag is not allowed",
     ("Tags build other kinds of values than texts, numbers, lists and mappings. None is needed, "
     "and some run code in careless readers.")),
    ("CF1012", "the file is nested too deep or grows too large",
     "Anchors that hold each other can make a few lines into millions of values."),
    ("CF1013", "a key is not a word",
     "Keys are plain names; lists, mappings and empty keys are not. `<<` merges mappings only."),
    ("CF1014", "a control character stands in the file",
     "Control characters have no meaning in names, paths and commands, and hide what is written."),
    ("CF1101", "an unknown key or gate",
     ("Unknown keys are refused, never ignored: a setting with a slip in its name would otherwise "
     "be silently without effect.")),
    ("CF1102", "known, but not in this version",
     ("The key belongs to the full interface of Crossfade, and this version does not act on it. "
     "It is refused, because a release that ignores it would not be the one described.")),
    ("CF1103", "a required key is missing",
     "Everything that has a sensible default has one; this has none."),
    ("CF1104", "a key has no value",
     "An empty value could mean the default or nothing at all. Write a value or remove the key."),
    ("CF1105", "a value is of the wrong kind",
     "For example a list where a text has to be. A number in quotes is a text."),
    ("CF1106", "not a duration",
     ("Durations are whole numbers with units d, h, m, s and ms, largest first: `1h30m`, `90s`, "
     "`250ms`. A bare number is refused, since it could be seconds or minutes.")),
    ("CF1107", "not a percentage",
     "Shares carry their `%`: `10%`, `0.1%`. A bare 10 or 0.1 could be a percentage or a fraction."),
    ("CF1108", "not a ratio", "Ratios carry their `x`: `1.25x` means one and a quarter times."),
    ("CF1109", "not one of the allowed words", "The words that are allowed stand with the error."),
    ("CF1110", "a bare yes, no, on or off",
     "YAML 1.1 reads these as true or false, YAML 1.2 as texts. Quoted, they are texts everywhere."),
    ("CF1111", "a value cannot come from the environment",
     "`{env: NAME}` is for secrets, which do not belong in a file. No key of this version is one."),
    ("CF1112", "not a quantile", "Quantiles are `p` and a number: `p50`, `p99`, `p99.9`."),
    ("CF1113", "a number is out of range", "The range stands with the error."),
    ("CF1114", "not a size",
     ("Sizes carry their unit: kB, MB and GB count in thousands, KiB, MiB and GiB in 1024. "
     "A bare 512 could be any of them.")),
    ("CF1115", "not a rate", "Rates carry their unit: `20/s` is twenty a second."),
    ("CF1116", "not a number of instances",
     "Either a whole number of instances, `2`, or a part of those the service needs, `25%`."),
    ("CF1117", "not a number", "A limit on a metric is a plain number, in the metric's own unit."),
    ("CF2001", "not a name for a service",
     ("A letter, then letters, digits or `-`, all lower case, at most 63: it becomes part of folder "
     "names, metric labels and DNS names.")),
    ("CF2002", "the state is neither a folder nor a bucket",
     ("The journal of all releases lies in a folder on one machine, never on a network file system, or "
     "in S3, where every machine finds it.")),
    ("CF2003", "a service that cannot be waited for",
     ("`after` names other services of the same state folder, each once: this one is released when "
     "theirs is over and well.")),
    ("CF2004", "not a place in a bucket",
     ("State in S3 is a bucket and a prefix, in an account and region that are pinned: everything that "
     "is not this account's is refused.")),
    ("CF2101", "not exactly one platform", "A service runs on one platform."),
    ("CF2102", "production and test port are the same",
     "The test port reaches the candidate before anybody trusts it. On the same port users would."),
    ("CF2103", "a command is empty or cannot be split",
     ("Commands are split into words as a shell would, then started without a shell. For pipes and "
     'variables write `sh -c "…"`.')),
    ("CF2104", "the command does not say {port}",
     ("Several instances and two revisions run side by side. Each is given a free port, and the "
     "program has to listen on the one it is given.")),
    ("CF2105", "not a path", "Paths of checks start with `/`; the address before it is known."),
    ("CF2106", "rules that are none, twice, or not hosts and paths",
     ("A rule is a host, the first segments of a path, or both. All rules of a service shift "
     "together; a request that no rule names is answered 404.")),
    ("CF2107", "not an account, region, endpoint or role",
     ("The account is twelve digits in quotes, the region a name like eu-west-1. An endpoint is only "
     "ever a twin's on this machine: nothing that is signed for AWS goes anywhere else.")),
    ("CF2108", "not the ARN of the resource that is meant",
     ("Rules are named by the ARN of a listener rule, or of a listener for its default action; sides by "
     "the ARNs of two target groups. All are of an Application Load Balancer.")),
    ("CF2109", "a resource of another account or region",
     "Nothing outside the pinned account and region is written to (R47)."),
    ("CF2110", "resources that are named twice, or of several load balancers",
     ("Each side is a target group of its own, each rule is written once, and staff have another way in "
     "than users. A target group belongs to one load balancer.")),
    ("CF2111", "not exactly one source of targets",
     ("A revision's targets stand in a file or are printed by a command, one `ip:port` a line, a zone "
     "behind it where AWS needs one.")),
    ("CF2112", "what a load balancer of AWS cannot do for single users",
     ("`sticky`, `preview` and `mirror` are done by our own proxy on `local`. An Application Load "
     "Balancer has stickiness and conditions of its own, which stay as they are.")),
    ("CF2201", "not exactly one strategy", "A release follows one strategy."),
    ("CF2202", "a canary without a weight", "Without a weight all users meet the candidate at once."),
    ("CF2203", "a weight is not between 0% and 100%",
     "100% after the last step is implied, and 0% is where every release starts."),
    ("CF2204", "weights do not rise", "Weight goes down only when a release is rolled back."),
    ("CF2205", "an approval without a weight before it",
     ("A person is asked while the candidate serves a weight. Before the first step there is "
     "nothing to look at, and asking twice in a row is asking once.")),
    ("CF2206", "a step is neither weight nor approval, or both",
     "`weight`, `bake` and `max_bake` make one kind of step, `approval: required` the other."),
    ("CF2207", "a weight is too fine", "Weights go in steps of 0.1%."),
    ("CF2208", "a bake of no time", "A bake is the time in which a weight is judged."),
    ("CF2209", "max_bake is shorter than bake",
     "`max_bake` bounds the whole bake, extensions included."),
    ("CF2210", "a rolling release without room to work in",
     ("A batch starts beside what serves, so at least one instance more than needed has to fit; and "
     "some of those needed have to stay.")),
    ("CF2211", "a share that cannot be held back",
     ("`hold_back` is the small share that stable keeps after promotion, until `keep_old` ends. It "
     "leaves the candidate at least half, and at least the weight of its last step.")),
    ("CF2212", "the mark of a preview cannot be sent",
     ("A preview is known by one header or one cookie with one value, in printable ASCII, that no "
     "browser sends by itself and no proxy writes: else users would meet the candidate unasked.")),
    ("CF2301", "gates: none without a reason",
     ("A release without gates is not stopped by anything but a person. The reason is shown in every "
     "plan and status (R26).")),
    ("CF2302", "no gate is in force",
     ("All gates only observe, so a bad release would be reported and promoted. That is `gates: none` "
     "under another name, and needs its reason (R26).")),
    ("CF2303", "none stands beside other gates", "It would leave open which of the two is meant."),
    ("CF2304", "a gate watches nothing", "Its list of alarms is empty, so it could never fail."),
    ("CF2305", "an alarm is neither a web address nor a name",
     "Alarms are asked for by HTTP or HTTPS, or are CloudWatch's and have a name there."),
    ("CF2306", "not a name for a gate",
     "A letter, then letters, digits, `_` or `-`, all lower case, at most 63."),
    ("CF2307", "must_see lies inside what is allowed",
     ("`must_see` is the regression that a bake has to be able to see. Inside what the gate allows, "
     "no bake could.")),
    ("CF2308", "a limit that decides nothing or stops healthy releases",
     "The limit lies where either every release or none is stopped."),
    ("CF2309", "latency is judged at no quantile, or twice at one", "Each quantile is judged once."),
    ("CF2310", "a gate of several kinds, or with settings of another kind",
     ("A gate under a name of your own is alarms, or a pair of counts (`total` with `success` or "
     "`failure`), or one `metric` with a limit. A setting of another kind would be without effect.")),
    ("CF2311", "a figure of CloudWatch without an account",
     "Alarms by name and metrics are CloudWatch's; `aws` says in which account and region they are."),
    ("CF2312", "a pair of counts that cannot be judged",
     ("Failures of a total are compared between both versions. It takes a total, what of it went well or "
     "failed, a source that counts figures of your own, and something that tells the versions apart.")),
    ("CF2313", "not a metric with a limit",
     ("A metric of CloudWatch is a namespace and a name with a statistic, and has to stay inside a limit "
     "for the release to go on.")),
    ("CF2314", "a dimension or condition that is not filled in",
     ("A metric is found by exactly the dimensions it was published with. In them `{revision}` stands for "
     "the version of a side, on `alb` also `{target_group}` and `{load_balancer}` as CloudWatch has them.")),
    ("CF2401", "false_stops is out of range",
     "The chance that a healthy release is stopped, from 0.1% to 10%. Smaller means slower verdicts."),
    ("CF2402", "latency could never be judged",
     ("During the warm-up the latency of new instances is ignored. Here it lasts as long as the "
     "longest first bake, so the latency gate would never have data.")),
    ("CF2403", "a deadline of no time", "It would be over before anything was tried."),
    ("CF2501", "a hook is not exactly one of http, command, warm_up", "Each hook is one check."),
    ("CF2502", "a warm-up that cannot be",
     ("A warm-up asks for each of its paths at least once, before any user does, and ends before the "
     "deadline of a hook.")),
    ("CF2601", "a database, broker or cache is to be released",
     ("A release runs two versions side by side and throws one away. Done to a store of data, this "
     "splits or loses the data, and no rollback joins it again (R36). Release the service that uses "
     "the store; upgrade the store with its own tools.")),
    ("CF2801", "an address of a database stands in the file",
     ("It holds a password, and the file is in a repository. The file names the variable of the environment "
     "that has it.")),
    ("CF2802", "a name or place of the database section that cannot be meant",
     "Folder and shape come with the revision; a variable has a name that every shell can set."),
    ("CF2803", "an instance that cannot be told its port",
     "A trial starts it beside what runs, on a port of its own."),
    ("CF2701", "not exactly one source of counts",
     "Both versions are counted by one source; two would not agree to the request."),
    ("CF2702", "a source that this platform does not have",
     ("The proxy's own log is on `local`. A load balancer of AWS reports to CloudWatch by the minute; "
     "instances that show counters, or a Prometheus that has them, are read in seconds.")),
    ("CF2703", "a time that is out of range", "Sources are asked about as often as they know something new."),
    ("CF2704", "not a name or a condition as Prometheus has them",
     ("Metrics are names of letters, digits, `_` and `:`; conditions on labels are written as in PromQL, "
     "and have to tell both versions apart.")),
)  # fmt: skip

IDS: Final = {error_id: Explained(error_id, *texts) for error_id, *texts in _TABLE}
"""Id → its meaning, in order."""
