"""A file for each mistake that crossfade.yaml can hold, with its id and its place."""

from __future__ import annotations

import json
import re

BASE = """apiVersion: crossfade/v1
service: shop
platform: {local: {command: "./serve {port}", port: 8000}}
strategy: canary
"""


def based(**sections: str) -> str:
    """The smallest good file with some sections replaced or added."""
    text = BASE
    for name, value in sections.items():
        text = re.sub(rf"^{name}: .*\n", "", text, flags=re.MULTILINE) + f"{name}: {value}\n"
    return text


def local(**settings: str) -> str:
    given = {"command": '"./serve {port}"', "port": "8000", **settings}
    return based(platform="{local: {" + ", ".join(f"{k}: {v}" for k, v in given.items()) + "}}")


def steps(text: str) -> str:
    return based(strategy=f"{{canary: {{steps: {text}}}}}")


def preview(text: str) -> str:
    return based(strategy=f"{{canary: {{preview: {text}}}}}")


def warm_up(text: str) -> str:
    return based(hooks=f"{{before_traffic: [{{warm_up: {text}}}]}}")


RULE = "listener-rule/app/front/50dc6c49/f2f7dc8e/9683b2d0"
LISTENER = "listener/app/front/50dc6c49/f2f7dc8e"
ALB = {
    "rules": [RULE],
    "test": LISTENER,
    "target_groups": {"blue": "targetgroup/b/1", "green": "targetgroup/g/2"},
    "targets": {"file": "targets/{revision}"},
}
AWS = {"account": "123456789012", "region": "eu-west-1"}


def alb(aws: object = AWS, strategy: str = "canary", hooks: str = "", **settings: object) -> str:
    """A good file of a service on AWS, short names made ARNs, with settings replaced or taken away."""

    def named(value: object) -> object:
        match value:
            case str() if re.match(r"(listener|targetgroup)", value):
                return f"arn:aws:elasticloadbalancing:eu-west-1:123456789012:{value}"
            case list():
                return [named(one) for one in value]
            case dict():
                return {key: named(one) for key, one in value.items()}
        return value

    given = {key: named(value) for key, value in {**ALB, **settings}.items() if value is not None}
    sections = {"platform": json.dumps({"alb": given}), "strategy": strategy}
    if aws is not None:
        sections["aws"] = json.dumps(aws)
    return based(**sections, **({"hooks": hooks} if hooks else {}))


def own(gate: str, signals: str = "", *, aws: object = AWS) -> str:
    """A good file on AWS with a gate `own`, and a source of counts."""
    more = f"signals: {signals}\n" if signals else ""
    return alb(aws=aws) + f"gates: {{own: {gate}}}\n{more}"


SCRAPED = based(signals="{scrape: {}}")
KPI = "total: Shop/All, success: Shop/Ok"

ELSEWHERE = "arn:aws:elasticloadbalancing:eu-west-2:123456789012:targetgroup/b/1"
ANOTHERS = "arn:aws:elasticloadbalancing:eu-west-1:210987654321:listener/app/front/1/2"

# Each id, a file that provokes it and nothing else, and the key path or place it is shown at.
CASES: list[tuple[str, str | bytes, str]] = [
    ("CF1003", "#" * 70_000, ""),
    ("CF1004", b"apiVersion: crossfade/v1\nservice: caf\xe9\n", "2:13"),
    ("CF1004", "service: shop".encode("utf-16"), "1:1"),
    ("CF1005", BASE + 'state: "open\n', "6:1"),
    ("CF1005", BASE + 'state: "\\U00ffffff"\n', "1:1"),
    ("CF1005", BASE + "state: *nowhere\n", "5:8"),
    ("CF1006", BASE.replace("platform: ", "platform:\n\tlocal: "), "4:1"),
    ("CF1007", "", "1:1"),
    ("CF1007", "# nothing yet\n", "1:1"),
    ("CF1008", "- apiVersion\n", "1:1"),
    ("CF1008", "shop\n", "1:1"),
    ("CF1009", BASE + "service: other\n", "5:1"),
    ("CF1010", BASE + "---\n" + BASE, "5:1"),
    ("CF1011", based(state="!!python/name:os.system x"), "state"),
    ("CF1012", BASE + "state: &a [*a]\n", "5:8"),
    ("CF1012", BASE + "state: " + "[" * 5000 + "\n", "1:1"),
    ("CF1012", "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
    ), "1:24"),
    ("CF1013", BASE + "? [a, b]\n: c\n", "5:3"),
    ("CF1013", BASE + "<<: nothing\n", "5:5"),
    ("CF1014", BASE + "state: a\x07b\n", "5:9"),
    ("CF1014", BASE + 'state: "a\\0b"\n', "5:8"),
    ("CF1014", BASE + 'state: "\\ud800"\n', "5:8"),
    ("CF1101", based(judgin="{}"), "judgin"),
    ("CF1101", based(gates="{latencey: {at_most: 2x, must_see: 3x}}"), "gates.latencey"),
    ("CF1101", based(strategy="canry"), "strategy"),
    ("CF1101", based(strategy="recreate"), "strategy"),
    ("CF1101", based(strategy="{linear: {bake: 5m}}"), "strategy.linear.bake"),
    ("CF1101", based(strategy="{rolling: {hold_back: 5%}}"), "strategy.rolling.hold_back"),
    ("CF1103", based(database="{app_role: app}"), "database.url"),
    ("CF1103", based(database="{url: {}}"), "database.url.env"),
    ("CF1101", based(database="{url: {env: A}, rollback_window: {day: 3}}"), "database.rollback_window.day"),
    ("CF2801", based(database="{url: 'postgresql://app:secret@db/shop'}"), "database.url"),
    ("CF2801", based(database="{url: {env: A}, direct_url: 'pg://db'}"), "database.direct_url"),
    ("CF2802", based(database="{url: {env: 'DATABASE-URL'}}"), "database.url.env"),
    ("CF2802", based(database="{url: {env: A}, migrations: ../db}"), "database.migrations"),
    ("CF2802", based(database="{url: {env: A}, shape: ''}"), "database.shape"),
    ("CF2802", based(database="{url: {env: A}, app_role: ' '}"), "database.app_role"),
    ("CF2803", based(database="{url: {env: A}, boot: ./serve}"), "database.boot"),
    ("CF1102", based(notify="[]"), "notify"),
    ("CF1102", based(policy="{drill_max_age: 30d}"), "policy.drill_max_age"),
    ("CF1102", based(policy="{freeze: []}"), "policy.freeze"),
    ("CF1102", based(platform="{ecs: {cluster: prod}}"), "platform.ecs"),
    ("CF1102", based(platform="{lambda: {}}"), "platform.lambda"),
    ("CF2004", based(state="s3://acme/prod"), "state"),
    ("CF1102", based(state="postgresql://db/x"), "state"),
    ("CF1103", BASE.replace("service: shop\n", ""), "service"),
    ("CF1103", based(platform="{local: {port: 8000}}"), "platform.local.command"),
    ("CF1103", based(gates="{paging: {mode: stop}}"), "gates.paging.alarms"),
    ("CF1103", warm_up("{for: 60s}"), "hooks.before_traffic[0].warm_up.paths"),
    ("CF1103", alb(aws=None), "aws"),
    ("CF1103", alb(aws={"account": "123456789012"}), "aws.region"),
    ("CF1103", alb(rules=None), "platform.alb.rules"),
    ("CF1103", alb(test=None), "platform.alb.test"),
    ("CF1103", alb(target_groups={"blue": "targetgroup/b/1"}), "platform.alb.target_groups.green"),
    ("CF1103", alb(targets=None), "platform.alb.targets"),
    ("CF1101", alb(target_group={}), "platform.alb.target_group"),
    ("CF1105", alb(aws={"account": 123456789012, "region": "eu-west-1"}), "aws.account"),
    ("CF1104", BASE + "hooks:\n", "5:1"),
    ("CF1104", based(gates="~"), "gates"),
    ("CF1105", local(port='"8000"'), "platform.local.port"),
    ("CF1105", local(port="true"), "platform.local.port"),
    ("CF1105", local(port="0800"), "platform.local.port"),
    ("CF1105", steps("10%"), "strategy.canary.steps"),
    ("CF1105", steps("[10%]"), "strategy.canary.steps[0]"),
    ("CF1106", steps("[{weight: 10%, bake: 300}]"), "strategy.canary.steps[0].bake"),
    ("CF1107", steps("[{weight: 10}]"), "strategy.canary.steps[0].weight"),
    ("CF1108", based(gates="{errors: {at_most: 1.5}}"), "gates.errors.at_most"),
    ("CF1109", based(on_interrupt="rolback"), "on_interrupt"),
    ("CF1109", based(strategy="{rolling: {sticky: true}}"), "strategy.rolling.sticky"),
    ("CF1109", BASE.replace("crossfade/v1", "crossfade/v2"), "apiVersion"),
    ("CF1110", based(service="no"), "service"),
    ("CF1110", BASE + "on: {}\n", "5:1"),
    ("CF1111", based(service="{env: NAME}"), "service"),
    ("CF1111", based(judging="{warm_up: {env: WARM_UP}}"), "judging.warm_up"),
    ("CF1112", based(gates="{latency: {at: [99]}}"), "gates.latency.at[0]"),
    ("CF1112", based(gates="{latency: {max: {99: 1s}}}"), "gates.latency.max.99"),
    ("CF1113", local(port="65536"), "platform.local.port"),
    ("CF1113", local(instances="0"), "platform.local.instances"),
    ("CF1113", based(policy="{approvals: 10}"), "policy.approvals"),
    ("CF1114", based(gates="{unhealthy: {memory: 512}}"), "gates.unhealthy.memory"),
    ("CF1114", based(gates="{unhealthy: {memory: 512M}}"), "gates.unhealthy.memory"),
    ("CF1115", warm_up("{paths: [/], rate: 20}"), "hooks.before_traffic[0].warm_up.rate"),
    ("CF1115", warm_up("{paths: [/], rate: 0/s}"), "hooks.before_traffic[0].warm_up.rate"),
    ("CF1116", based(strategy="{rolling: {surge: '2'}}"), "strategy.rolling.surge"),
    ("CF1116", based(strategy="{rolling: {surge: 101%}}"), "strategy.rolling.surge"),
    ("CF1116", based(strategy="{rolling: {unavailable: -1}}"), "strategy.rolling.unavailable"),
    ("CF2001", based(service="Shop_1"), "service"),
    ("CF2001", based(service='"1shop"'), "service"),
    ("CF2001", based(service="s" * 64), "service"),
    ("CF2002", based(state="ftp://x/y"), "state"),
    ("CF2002", based(state='""'), "state"),
    ("CF2003", based(after="[shop]"), "after[0]"),
    ("CF2003", based(after="[pricing, pricing]"), "after[1]"),
    ("CF2003", based(after="[Pricing]"), "after[0]"),
    ("CF2101", based(platform="{}"), "platform"),
    ("CF2102", local(test_port="8000"), "platform.local.test_port"),
    ("CF2103", local(command='"./serve ''{port}"'.replace("./", "'")), "platform.local.command"),
    ("CF2103", local(command='"  "'), "platform.local.command"),
    ("CF2104", local(command='"./serve 8000"'), "platform.local.command"),
    ("CF2105", local(health="healthz"), "platform.local.health"),
    ("CF2105", based(hooks="{before_traffic: [{http: 'http://x/'}]}"), "hooks.before_traffic[0].http"),
    ("CF2105", warm_up("{paths: [/, a]}"), "hooks.before_traffic[0].warm_up.paths[1]"),
    ("CF2106", local(rules="[]"), "platform.local.rules"),
    ("CF2106", local(rules="[{host: 'shop:80'}]"), "platform.local.rules[0].host"),
    ("CF2106", local(rules="[{host: a..b}]"), "platform.local.rules[0].host"),
    ("CF2106", local(rules="[{}, {path: /}]"), "platform.local.rules[1]"),
    *(("CF2106", local(rules=f"[{{path: '{path}'}}]"), "platform.local.rules[0].path")
      for path in ("api", "//api", "/api/", "/api/*", "/a/../b", "/a/.", "/a?b", "/a b", "")),
    ("CF2105", alb(health="healthz"), "platform.alb.health"),
    ("CF2103", alb(targets={"command": " "}), "platform.alb.targets.command"),
    ("CF2103", alb(targets={"command": "./targets '"}), "platform.alb.targets.command"),
    ("CF2107", alb(aws={**AWS, "account": "1234"}), "aws.account"),
    ("CF2107", alb(aws={**AWS, "region": "eu-west-1a"}), "aws.region"),
    ("CF2107", alb(aws={**AWS, "role": "a role"}), "aws.role"),
    *(("CF2107", alb(aws={**AWS, "endpoint": text}), "aws.endpoint")
      for text in ("https://127.0.0.1:5000", "http://elb.eu-west-1.amazonaws.com", "http://127.0.0.1",
                   "http://me@127.0.0.1:5", "http://localhost.evil.example:5", "http://127.0.0.1:x", "twin")),
    ("CF2108", alb(rules=[]), "platform.alb.rules"),
    ("CF2108", alb(rules=["my-rule"]), "platform.alb.rules[0]"),
    ("CF2108", alb(rules=["targetgroup/b/3"]), "platform.alb.rules[0]"),
    ("CF2108", alb(rules=["listener/net/front/1/2"]), "platform.alb.rules[0]"),
    ("CF2108", alb(rules=["listener/app/front/1"]), "platform.alb.rules[0]"),
    ("CF2108", alb(test="targetgroup/b/3"), "platform.alb.test"),
    ("CF2108", alb(target_groups={"blue": "targetgroup/b/1", "green": RULE}),
     "platform.alb.target_groups.green"),
    ("CF2109", alb(target_groups={"blue": ELSEWHERE, "green": "targetgroup/g/2"}),
     "platform.alb.target_groups.blue"),
    ("CF2109", alb(test=ANOTHERS), "platform.alb.test"),
    ("CF2110", alb(rules=[RULE, RULE]), "platform.alb.rules[1]"),
    ("CF2110", alb(test=RULE), "platform.alb.test"),
    ("CF2110", alb(test="listener/app/other/9/8"), "platform.alb.test"),
    ("CF2110", alb(target_groups={"blue": "targetgroup/b/1", "green": "targetgroup/b/1"}),
     "platform.alb.target_groups.green"),
    ("CF2111", alb(targets={}), "platform.alb.targets"),
    ("CF2111", alb(targets={"file": "a", "command": "b"}), "platform.alb.targets"),
    ("CF2111", alb(targets={"file": " "}), "platform.alb.targets.file"),
    ("CF2112", alb(strategy="{canary: {sticky: cookie}}"), "strategy.canary.sticky"),
    ("CF2112", alb(strategy="{linear: {preview: {cookie: a=b}}}"), "strategy.linear.preview"),
    ("CF2112", alb(hooks="{before_traffic: [{warm_up: {paths: [/], mirror: 10%}}]}"),
     "hooks.before_traffic[0].warm_up.mirror"),
    ("CF2201", based(strategy="{canary: {}, blue_green: {}}"), "strategy"),
    ("CF2201", based(strategy="{}"), "strategy"),
    ("CF2202", steps("[]"), "strategy.canary.steps"),
    ("CF2203", steps("[{weight: 0%}]"), "strategy.canary.steps[0].weight"),
    ("CF2203", steps("[{weight: 100%}]"), "strategy.canary.steps[0].weight"),
    ("CF2203", based(strategy="{linear: {step: 100%}}"), "strategy.linear.step"),
    ("CF2204", based(strategy="{hybrid: {steps: [{weight: 2%}, {weight: 1%}]}}"),
     "strategy.hybrid.steps[1].weight"),
    ("CF2204", steps("[{weight: 50%}, {weight: 10%}]"), "strategy.canary.steps[1].weight"),
    ("CF2204", steps("[{weight: 10%}, {approval: required}, {weight: 10%}]"),
     "strategy.canary.steps[2].weight"),
    ("CF2205", steps("[{approval: required}, {weight: 10%}]"), "strategy.canary.steps[0]"),
    ("CF2205", steps("[{weight: 10%}, {approval: required}, {approval: required}]"),
     "strategy.canary.steps[2]"),
    ("CF2206", steps("[{weight: 10%}, {}]"), "strategy.canary.steps[1]"),
    ("CF2206", steps("[{weight: 10%, approval: required}]"), "strategy.canary.steps[0]"),
    ("CF2206", steps("[{weight: 10%}, {approval: required, bake: 5m}]"), "strategy.canary.steps[1]"),
    ("CF2207", steps("[{weight: 0.05%}]"), "strategy.canary.steps[0].weight"),
    ("CF2207", based(strategy="{linear: {step: 99.95%}}"), "strategy.linear.step"),
    ("CF2207", based(strategy="{canary: {hold_back: 0.05%}}"), "strategy.canary.hold_back"),
    ("CF2208", based(strategy="{linear: {every: 0s}}"), "strategy.linear.every"),
    ("CF2208", based(strategy="{rolling: {bake: 0s}}"), "strategy.rolling.bake"),
    ("CF2208", steps("[{weight: 10%, bake: 0s, max_bake: 5m}]"), "strategy.canary.steps[0].bake"),
    ("CF2208", based(strategy="{blue_green: {bake: 0s, max_bake: 5m}}"), "strategy.blue_green.bake"),
    ("CF2209", steps("[{weight: 10%, bake: 5m, max_bake: 4m}]"), "strategy.canary.steps[0].max_bake"),
    ("CF2209", based(strategy="{linear: {max_bake: 2m}}"), "strategy.linear.max_bake"),
    ("CF2209", based(strategy="{rolling: {max_bake: 2m}}"), "strategy.rolling.max_bake"),
    ("CF2210", based(strategy="{rolling: {surge: 0%}}"), "strategy.rolling.surge"),
    ("CF2210", based(strategy="{rolling: {surge: 3}}"), "strategy.rolling.surge"),
    ("CF2210", based(strategy="{rolling: {unavailable: 100%}}"), "strategy.rolling.unavailable"),
    ("CF2210", based(strategy="{rolling: {unavailable: 2}}"), "strategy.rolling.unavailable"),
    ("CF2210", alb(strategy="{rolling: {surge: 0}}"), "strategy.rolling.surge"),
    ("CF2210", alb(strategy="{rolling: {unavailable: 100%}}"), "strategy.rolling.unavailable"),
    ("CF2211", based(strategy="{canary: {hold_back: 50.1%}}"), "strategy.canary.hold_back"),
    ("CF2211", based(strategy="{blue_green: {hold_back: 5%, keep_old: 0s}}"),
     "strategy.blue_green.hold_back"),
    ("CF2211", based(strategy="{linear: {step: 50%, hold_back: 50%}}"), "strategy.linear.hold_back"),
    ("CF2211", based(strategy="{hybrid: {steps: [{weight: 96%}], hold_back: 5%}}"),
     "strategy.hybrid.hold_back"),
    ("CF2212", preview("{}"), "strategy.canary.preview"),
    ("CF2212", preview("{header: 'a: b', cookie: c=d}"), "strategy.canary.preview"),
    *(("CF2212", preview(f"{{header: '{text}'}}"), "strategy.canary.preview.header")
      for text in ("x-crossfade", "x y: z", "x: a b", ":path: /x", "x: é", "Host: new.example", "cookie: a=b",
                   "X-Crossfade-Side: candidate", "x-forwarded-for: 10.0.0.1", "sec-fetch-site: none")),
    *(("CF2212", preview(f"{{cookie: '{text}'}}"), "strategy.canary.preview.cookie")
      for text in ("preview", "=x", "a=b; c", "crossfade=candidate")),
    ("CF2301", based(gates="none"), "gates"),
    ("CF2302", based(gates="{errors: {mode: observe}, latency: {mode: observe}, unhealthy: {mode: observe}}"),
     "gates"),
    ("CF2303", based(gates="{none: because, errors: {}}"), "gates.none"),
    ("CF2304", based(gates="{paging: {alarms: []}}"), "gates.paging.alarms"),
    ("CF2305", based(gates="{paging: {alarms: [{http: 'arn:aws:x'}]}}"), "gates.paging.alarms[0].http"),
    ("CF2305", based(gates="{paging: {alarms: [{http: 'http://[::1'}]}}"), "gates.paging.alarms[0].http"),
    (
        "CF2305",
        based(gates="{paging: {alarms: [{http: 'https://u:secret@x/y'}]}}"),
        "gates.paging.alarms[0].http",
    ),
    ("CF2305", own("{alarms: [a, '']}"), "gates.own.alarms[1]"),
    ("CF2305", own("{alarms: ['arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a']}"), "gates.own.alarms[0]"),
    ("CF2305", own("{alarms: [{name: a, http: 'http://x/'}]}"), "gates.own.alarms[0]"),
    ("CF2306", alb() + f"gates: {{traffic: {{{KPI}}}}}\n", "gates.traffic"),
    ("CF2310", own(f"{{alarms: [a], {KPI}}}"), "gates.own"),
    ("CF2310", own("{alarms: [a], max: 5}"), "gates.own.max"),
    ("CF2310", own(f"{{{KPI}, for: 5m}}"), "gates.own.for"),
    ("CF2310", own("{metric: Shop/Queue, max: 5, must_see: 5%}"), "gates.own.must_see"),
    ("CF2310", SCRAPED + "gates: {own: {total: a, success: b, dimensions: {A: b}}}\n",
     "gates.own.dimensions"),
    ("CF2311", based(gates="{own: {alarms: [checkout-5xx]}}"), "gates.own.alarms[0]"),
    ("CF2311", based(gates="{own: {metric: Shop/Queue, max: 5}}"), "gates.own"),
    ("CF2312", based(gates=f"{{own: {{{KPI}}}}}"), "gates.own"),
    ("CF2312", own("{total: Shop/All}"), "gates.own"),
    ("CF2312", own(f"{{{KPI}, failure: Shop/Bad}}"), "gates.own"),
    ("CF2312", own(f"{{{KPI}, dimensions: {{Stage: prod}}}}"), "gates.own.dimensions"),
    ("CF1103", own("{success: Shop/Ok}"), "gates.own.total"),
    ("CF2307", own(f"{{{KPI}, ignore_below: 5%}}"), "gates.own.must_see"),
    ("CF2307", own(f"{{{KPI}, must_see: 0%}}"), "gates.own.must_see"),
    ("CF2308", own(f"{{{KPI}, at_most: 0.9x}}"), "gates.own.at_most"),
    ("CF2308", own(f"{{{KPI}, ignore_below: 60%, must_see: 70%}}"), "gates.own.ignore_below"),
    *(("CF2313", own(f"{{metric: {text}, max: 5}}"), "gates.own.metric")
      for text in ("Queue", "/Queue", "':a/b'", "Shop/", "Shöp/Queue")),
    ("CF2313", own("{total: All, success: Shop/Ok}"), "gates.own.total"),
    ("CF2313", own("{metric: Shop/Queue, max: 5, stat: median}"), "gates.own.stat"),
    ("CF2313", own("{metric: Shop/Queue, max: 5, stat: p101}"), "gates.own.stat"),
    ("CF2313", own("{metric: Shop/Queue}"), "gates.own"),
    ("CF2313", own("{metric: Shop/Queue, max: 5, min: 5}"), "gates.own.min"),
    ("CF1117", own("{metric: Shop/Queue, max: '5'}"), "gates.own.max"),
    ("CF1117", own("{metric: Shop/Queue, max: .nan}"), "gates.own.max"),
    ("CF1117", own("{metric: Shop/Queue, max: 5ms}"), "gates.own.max"),
    ("CF2703", own("{metric: Shop/Queue, max: 5, for: 10s}"), "gates.own.for"),
    ("CF2314", own(f"{{{KPI}, dimensions: {{TargetGroup: '{{target_group}}', A: '{{version}}'}}}}"),
     "gates.own.dimensions.A"),
    ("CF2314", own("{metric: Shop/Queue, max: 5, dimensions: {A: ''}}"), "gates.own.dimensions.A"),
    ("CF2314", based(aws=json.dumps(AWS),
                     gates="{own: {metric: A/B, max: 5, dimensions: {A: '{target_group}'}}}"),
     "gates.own.dimensions.A"),
    ("CF2306", based(gates="{Paging!: {alarms: [{http: 'http://x/'}]}}"), "gates.Paging!"),
    ("CF2307", based(gates="{errors: {ignore_below: 1%}}"), "gates.errors.must_see"),
    ("CF2307", based(gates="{latency: {at_most: 2x}}"), "gates.latency.must_see"),
    ("CF2308", based(gates="{errors: {at_most: 0.5x}}"), "gates.errors.at_most"),
    ("CF2308", based(gates="{errors: {max: 100%}}"), "gates.errors.max"),
    ("CF2308", based(gates="{latency: {max: {p99: 0s}}}"), "gates.latency.max.p99"),
    ("CF2308", based(gates="{unhealthy: {memory: 0MB}}"), "gates.unhealthy.memory"),
    ("CF2309", based(gates="{latency: {at: []}}"), "gates.latency.at"),
    ("CF2309", based(gates="{latency: {at: [p99, p99.0]}}"), "gates.latency.at"),
    ("CF2309", based(gates="{latency: {max: {p99: 1s, p99.0: 2s}}}"), "gates.latency.max"),
    ("CF2401", based(judging="{false_stops: 0.05%}"), "judging.false_stops"),
    ("CF2401", based(judging="{false_stops: 11%}"), "judging.false_stops"),
    ("CF2402", based(judging="{warm_up: 30m}"), "judging.warm_up"),
    ("CF2402", steps("[{weight: 10%, bake: 10s}]"), "strategy.canary.steps[0]"),
    ("CF2403", based(deadlines="{rollback: 0s}"), "deadlines.rollback"),
    ("CF2501", based(hooks="{on_rollback: [{}]}"), "hooks.on_rollback[0]"),
    ("CF2501", based(hooks="{on_rollback: [{http: /a, command: b}]}"), "hooks.on_rollback[0]"),
    ("CF2501", based(hooks="{before_traffic: [{warm_up: {paths: [/]}, command: b}]}"),
     "hooks.before_traffic[0]"),
    *(("CF2502", based(hooks=f"{{{when}: [{{warm_up: {{paths: [/]}}}}]}}"), f"hooks.{when}[0].warm_up")
      for when in ("after_traffic", "on_rollback", "hand_over")),
    ("CF2502", warm_up("{paths: []}"), "hooks.before_traffic[0].warm_up.paths"),
    ("CF2502", warm_up("{paths: [/], for: 0s}"), "hooks.before_traffic[0].warm_up.for"),
    ("CF2502", warm_up("{paths: [/], for: 5m}"), "hooks.before_traffic[0].warm_up.for"),
    ("CF2502", warm_up("{paths: [/]}") + "deadlines: {hook: 30s}\n", "hooks.before_traffic[0].warm_up.for"),
    ("CF2502", warm_up("{paths: [/, /b, /c], for: 2s, rate: 1/s}"), "hooks.before_traffic[0].warm_up"),
    ("CF2601", based(platform="{rds: {instance: prod}}"), "platform.rds"),
    ("CF2701", based(signals="{}"), "signals"),
    ("CF2701", based(signals="{access_log: {}, scrape: {}}"), "signals"),
    ("CF1101", based(signals="cloud_watch"), "signals"),
    ("CF1101", based(signals="{scrap: {}}"), "signals.scrap"),
    ("CF2702", based(signals="cloudwatch"), "signals.cloudwatch"),
    ("CF2702", alb() + "signals: access_log\n", "signals.access_log"),
    ("CF2703", based(signals="{scrape: {every: 500ms}}"), "signals.scrape.every"),
    ("CF2703", based(signals="{scrape: {every: 61s}}"), "signals.scrape.every"),
    ("CF2703", alb() + "signals: {cloudwatch: {settle: 10s}}\n", "signals.cloudwatch.settle"),
    ("CF2105", based(signals="{scrape: {path: metrics}}"), "signals.scrape.path"),
    ("CF1113", based(signals="{scrape: {port: 0}}"), "signals.scrape.port"),
    *(("CF2704", based(signals=f"{{scrape: {{{key}: '{text}'}}}}"), f"signals.scrape.{key}")
      for key, text in (("requests", "a b"), ("requests", "1a"), ("latency", "a{}"), ("latency", "a_bucket"),
                        ("errors", "5.."), ("errors", 'code=~"("'), ("errors", ""))),
    ("CF1103", based(signals="{prometheus: {stable: 'a=\"b\"', candidate: 'a=\"c\"'}}"),
     "signals.prometheus.url"),
    *(("CF2704",
       based(signals=f"{{prometheus: {{url: '{url}', stable: 'a=\"b\"', candidate: 'a=\"c\"'}}}}"),
       "signals.prometheus.url") for url in ("prometheus:9090", "ftp://p", "http://p/?a=b", "http://")),
    ("CF2704", based(signals="{prometheus: {url: 'http://u:s@p', stable: 'a=\"b\"', candidate: 'a=\"c\"'}}"),
     "signals.prometheus.url"),
    ("CF2704", based(signals="{prometheus: {url: 'http://p', stable: 'a=\"b\"', candidate: 'a=\"b\"'}}"),
     "signals.prometheus.candidate"),
    ("CF2314", based(signals="{prometheus: {url: 'http://p', stable: 'a=\"{revision}\"', "
                             "candidate: 'a=\"{colour}\"'}}"), "signals.prometheus.candidate"),
    ("CF2704", SCRAPED + "gates: {own: {total: 'a b', success: c}}\n", "gates.own.total"),
    ("CF2704", SCRAPED + "gates: {own: {total: a, success: 'c{d}'}}\n", "gates.own.success"),
    ("CF2601", local(command='"postgres -p {port}"'), "platform.local.command"),
]  # fmt: skip
