-- Chooses the host, which is how a program waits.
-- Owns: the choice, and what the fields of a host are.
-- Does not know: calls.

local blocking = require "grid.host.blocking"
local lazy = require "grid.lazy"

local custom = lazy "grid.host.custom"

local host = {}

---@class grid.Host
---@field name string
---@field now fun(): number seconds on a monotonic clock
---@field sleep? fun(seconds: number) other coroutines run meanwhile
---@field wait? fun(descriptor: integer, seconds: number) until the descriptor is readable, at most `seconds`
---@field spawn? fun(f: function, ...): true?, string? runs f(...) concurrently; nil: not possible now, and why
---@field obstacle? fun(): string? why a call cannot wait in the current phase or function; nil: it can
---@field condition? fun(): table { wait, signal, is_abandoned, close }; only in the hosts of this library, like all fields below
---@field poller? fun(engine: grid.core.engine): table { wait(seconds, has_finished), wake(seconds), is_ended?, close }
---@field can_yield? fun(): boolean
---@field witness? fun(): table? { is_ended, close }: shows whether the running coroutine was ended, if nothing else shows that
---@field every? fun(seconds: number, f: function, ...) calls f(...) every `seconds` while it returns true (threads may be ended)
---@field background_obstacle? fun(): string? why this Lua VM may not use `every`; nil: it may
---@field loop? fun(): any the running event loop, if a program may have several
---@field linger? number seconds that a coroutine which serves others continues without work
---@field grace? number seconds that a call of an abandoned waiter continues
---@field is_ending? fun(): boolean does the process end soon, while its event loop still runs?

local function is_nginx()
  local ngx = rawget(_G, "ngx")
  return type(ngx) == "table" and ngx.get_phase ~= nil and ngx.timer ~= nil
end

-- Loaded in init_by_lua, since a worker may not be able to read files.
local nginx = is_nginx() and require "grid.host.nginx" or nil

--- Raises unless `given` is a valid host. `what` is the function that received it.
function host.check(what, given)
  custom.check(what, given)
end

--- Does the process end soon, so that no new work may begin?
function host.is_ending(used)
  return used.is_ending ~= nil and used.is_ending()
end

--- Seconds for which a coroutine that serves others continues without work, since a new
--- one may cost more than a wait.
function host.linger_of(used)
  return not host.is_ending(used) and used.linger or 0
end

--- The host of a client: `given`, completed; without it nginx or blocking.
function host.choose(given)
  if not given then return nginx or blocking end
  return given.condition and given or custom.complete(given)
end

return host
