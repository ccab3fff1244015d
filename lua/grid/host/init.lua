-- Hosts: how a program waits. A host is { name, now, sleep } and perhaps `wait`; this module makes one fit for flights.
-- Owns: the choice of a host, and the waiting of those that can only sleep. Knows nothing of calls.

local core = require "grid.core"

local blocking = require "grid.host.blocking"
local argument = require "grid.argument"
local schema = require "grid.schema"

local host = {}

---@class grid.Host
---@field name string
---@field now fun(): number seconds on a clock that never goes back
---@field sleep? fun(seconds: number) lets others run meanwhile
---@field wait? fun(descriptor: integer, seconds: number) until the descriptor is readable, `seconds` at most
---@field idle? fun(engine: grid.core.engine, seconds: number, flight: table) of the hosts that come with the library, as all below
---@field obstacle? fun(): string? why a call cannot wait where the program is now
---@field is_driven? fun(): boolean somebody else than the flights steps the engine
---@field carry? fun(flight: table) to its end, whatever becomes of the one who waits

local HOST = {
  name = { type = "string", required = true },
  now = { type = "function", required = true },
  sleep = { type = "function" },
  wait = { type = "function" },
  idle = { type = "function" },
}

-- Without a descriptor to wait for, steps come often while things move, and more and more rarely while they do not.
local SHORTEST_SLEEP, LONGEST_SLEEP = 0.001, 0.01

local function sleeping_idle(sleep)
  return function(engine, seconds, flight)
    local nap = math.min((flight.nap or SHORTEST_SLEEP / 2) * 2, LONGEST_SLEEP)
    flight.nap = engine:timeout() == 0 and SHORTEST_SLEEP or nap
    sleep(math.min(flight.nap, seconds))
  end
end

-- The descriptor does not tell that another flight's step has ended a call, or that the client was closed: a wakeup keeps
-- it readable until one of the waiting flights has resumed. The others resume with it, since a loop's poll serves them all.
local function wake(flight)
  flight.wake = nil
  if flight.watched:is_usable() then flight.watched:wake() end
end

-- A descriptor that is waited for must not be closed meanwhile, and the engine goes with its last holder: so there is one here.
local function waiting_idle(wait, sleep)
  local idle_without = sleeping_idle(sleep)
  return function(engine, seconds, flight)
    local fd = engine:fd()
    if not fd then return idle_without(engine, seconds, flight) end
    flight.watched, flight.wake = core.engine(), wake
    wait(fd, math.min(seconds, engine:timeout() or seconds))
    flight.wake = nil
    if flight.watched:is_usable() then flight.watched:clear_wakeup() end
    flight.watched:close()
  end
end

local function is_nginx()
  local ngx = rawget(_G, "ngx")
  return type(ngx) == "table" and ngx.get_phase ~= nil and ngx.timer ~= nil
end

-- Loaded in init_by_lua, where files can be read.
local nginx = is_nginx() and require "grid.host.nginx" or nil

--- Raises unless a program's own host is fit for use. `what` is the function that it was given to.
function host.check(what, given)
  what = what .. ": host"
  schema.check(what, HOST, given)
  if not given.idle and not given.sleep then argument.raise("%s: field 'sleep' is missing", what) end
end

--- The host that a client uses: the one given, else the one that fits where the program runs.
function host.choose(given)
  if not given then return nginx or blocking end
  if given.idle then return given end
  local idle = given.wait and waiting_idle(given.wait, given.sleep) or sleeping_idle(given.sleep)
  return { name = given.name, now = given.now, idle = idle }
end

return host
