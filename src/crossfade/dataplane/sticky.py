"""
Users who stay on a version: each has a number from 0 to 999, kept in a cookie for one release.

The proxy draws it before the first request is routed, puts it into a header of its own (whatever a
client sent there is overwritten), and deals out the groups by that header: a number reaches the group in
whose weight it lies. Groups stand in a fixed order, so a rising weight moves a number at most once and
never back, and a weight of nothing moves everybody with the next request.
"""

from __future__ import annotations

from typing import Any, Final

from crossfade.dataplane.model import TOTAL, Service
from crossfade.dataplane.xds import TYPE

FILTER: Final = "sticky"
HEADER: Final = "x-crossfade-number"

_LUA: Final = TYPE + "extensions.filters.http.lua.v3.Lua"
_PER_ROUTE: Final = TYPE + "extensions.filters.http.lua.v3.LuaPerRoute"
_ENABLED: Final = TYPE + "config.route.v3.FilterConfig"

_SCRIPT: Final = """\
local COOKIE, TOKEN = "%(cookie)s", "%(token)s"
-- Each worker loads this anew: by time alone all of them would draw the same numbers.
math.randomseed(os.time() + %(salt)d + tonumber(string.match(tostring({}), "0x(%%x+)") or "0", 16) %% 2^31)

local function number_in(cookies)
  for pair in string.gmatch(cookies or "", "[^;]+") do
    local name, value = string.match(pair, "^%%s*([^=%%s]+)=([^%%s]*)%%s*$")
    if name == COOKIE then
      local token, digits = string.match(value, "^(%%w+)%%.(%%d%%d?%%d?)$")
      if token == TOKEN then return tonumber(digits) end
    end
  end
end

function envoy_on_request(handle)
  local number = number_in(handle:headers():get("cookie"))
  if number == nil then
    number = math.random(0, %(last)d)
    handle:streamInfo():dynamicMetadata():set("crossfade", "drawn", number)
  end
  handle:headers():replace("%(header)s", string.format("%%d", number))
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local drawn = (handle:streamInfo():dynamicMetadata():get("crossfade") or {})["drawn"]
  if drawn ~= nil then
    local value = string.format("%%s=%%s.%%d; Path=/; HttpOnly; SameSite=Lax", COOKIE, TOKEN, drawn)
    handle:headers():add("set-cookie", value)
  end
end
"""


def cookie(service: str) -> str:
    """The name of the cookie that keeps a user's number."""
    return f"crossfade-{service}"


def listener_filter() -> dict[str, Any]:
    """The filter, asleep: a route with a token wakes it, so that changing a token changes no listener."""
    return asleep(FILTER)


def per_route(service: Service) -> dict[str, Any]:
    """What wakes the filter on a route of this service, under its token."""
    script = _SCRIPT % {
        "cookie": cookie(service.name),
        "token": service.sticky,
        "salt": sum(service.sticky.encode()),
        "last": TOTAL - 1,
        "header": HEADER,
    }
    return {"typed_per_filter_config": {FILTER: woken(script)}}


def asleep(name: str) -> dict[str, Any]:
    """A filter that runs a script of the route, where a route has one for it (`woken`)."""
    return {
        "name": name,
        "disabled": True,
        "typed_config": {
            "@type": _LUA,
            "default_source_code": {"inline_string": "function envoy_on_request(handle) end"},
        },
    }


def woken(script: str) -> dict[str, Any]:
    """What a route says to the filter that is asleep on its listener."""
    return {"@type": _ENABLED, "config": {"@type": _PER_ROUTE, "source_code": {"inline_string": script}}}
