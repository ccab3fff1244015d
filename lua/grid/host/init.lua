-- Hosts: how a program waits. This module chooses one, and makes a host that a program
-- brings fit for use.
-- Owns: the choice, and the waiting of hosts that can only sleep, or wait for a
-- descriptor.
-- Does not know: calls.

local argument = require "grid.argument"
local blocking = require "grid.host.blocking"
local core = require "grid.core"
local schema = require "grid.schema"

local host = {}

---@class grid.Host
---@field name string
---@field now fun(): number seconds on a clock that never goes back
---@field sleep? fun(seconds: number) lets others run meanwhile
---@field wait? fun(descriptor: integer, seconds: number) until the descriptor is readable, `seconds` at most
---@field spawn? fun(f: function, ...): true? runs f(...) beside the caller; nil: it cannot now
---@field obstacle? fun(): string? why a call cannot wait where the program is now
---@field condition? fun(): table { wait, signal, is_abandoned, close }; of the hosts that come with the library, as all below
---@field poller? fun(engine: grid.core.engine): table { wait(seconds, has_landed), wake(seconds), close }
---@field can_yield? fun(): boolean
---@field loop? fun(): any the event loop that runs, where there may be several
---@field grace? number seconds that the answer of a waiter that has disappeared is waited for

local HOST = {
  name = { type = "string", required = true },
  now = { type = "function", required = true },
  sleep = { type = "function" },
  wait = { type = "function" },
  spawn = { type = "function" },
  obstacle = { type = "function" },
  condition = { type = "function" },
  poller = { type = "function" },
  can_yield = { type = "function" },
  loop = { type = "function" },
  grace = { type = "number" },
}

-- Without a descriptor to wait for, steps come often while transfers move, and more and
-- more rarely while they do not.
local SHORTEST_SLEEP, LONGEST_SLEEP = 0.001, 0.01

local Sleeper = {}
Sleeper.__index = Sleeper

function Sleeper:wait(seconds, engine)
  local nap = math.min((self.nap or SHORTEST_SLEEP / 2) * 2, LONGEST_SLEEP)
  self.nap = engine and engine:timeout() == 0 and SHORTEST_SLEEP or nap
  self.sleep(math.min(self.nap, seconds))
end

function Sleeper:signal()
  self.nap = false
end

function Sleeper:is_abandoned()
  return false
end

local Watcher = { is_abandoned = Sleeper.is_abandoned }
Watcher.__index = Watcher

-- A descriptor that is waited for must not be closed meanwhile, and the engine goes with
-- its last holder: so there is one here.
function Watcher:wait(seconds, engine)
  local descriptor = engine and engine:fd()
  if not descriptor then return Sleeper.wait(self, seconds, engine) end
  local watched = core.engine()
  self.watched = watched
  self.wait_for(descriptor, math.min(seconds, watched:timeout() or seconds))
  self.watched = false
  if watched:is_usable() then watched:clear_wakeup() end
  watched:close()
end

-- The descriptor does not tell that another scheduler's step has ended a call, or that
-- the client was closed: a wakeup keeps it readable until one of those that wait has
-- resumed. The others resume with it, since a loop's poll serves them all.
function Watcher:signal()
  local watched = self.watched
  self.nap, self.watched = false, false
  if watched and watched:is_usable() then watched:wake() end
end

local function condition_of(given)
  local class = given.wait and Watcher or Sleeper
  return function()
    return setmetatable({ sleep = given.sleep, wait_for = given.wait, nap = false, watched = false }, class)
  end
end

local function is_nginx()
  local ngx = rawget(_G, "ngx")
  return type(ngx) == "table" and ngx.get_phase ~= nil and ngx.timer ~= nil
end

-- Loaded in init_by_lua, where files can be read.
local nginx = is_nginx() and require "grid.host.nginx" or nil

--- Raises unless a program's own host is fit for use. `what` is the function that it was
--- given to.
function host.check(what, given)
  what = what .. ": host"
  schema.check(what, HOST, given)
  if not given.condition and not given.sleep then argument.raise("%s: field 'sleep' is missing", what) end
end

--- The host that a client uses: the one given, else the one that fits where the program
--- runs.
function host.choose(given)
  if not given then return nginx or blocking end
  if given.condition then return given end
  return { name = given.name, now = given.now, spawn = given.spawn, obstacle = given.obstacle, condition = condition_of(given) }
end

return host
