"""
What `crossfade.yaml` says, as frozen values.

Only the standard library is imported here, so that the heart may read a spec without
paying for pydantic and YAML. To make one from a file: `from crossfade.spec.load import
load_spec`.
"""

from crossfade.spec.models import (
    AlarmsGate,
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    ErrorsGate,
    Gate,
    Hook,
    Hooks,
    HttpHook,
    Judging,
    LatencyGate,
    LocalPlatform,
    Mode,
    NoGates,
    OnInconclusive,
    OnInterrupt,
    OnNoData,
    Platform,
    Preset,
    Spec,
    Strategy,
    UnhealthyGate,
    WeightStep,
)

__all__ = [
    "AlarmsGate",
    "ApprovalStep",
    "BlueGreen",
    "Canary",
    "CommandHook",
    "Deadlines",
    "ErrorsGate",
    "Gate",
    "Hook",
    "Hooks",
    "HttpHook",
    "Judging",
    "LatencyGate",
    "LocalPlatform",
    "Mode",
    "NoGates",
    "OnInconclusive",
    "OnInterrupt",
    "OnNoData",
    "Platform",
    "Preset",
    "Spec",
    "Strategy",
    "UnhealthyGate",
    "WeightStep",
]
