-- Checks a host that the program supplies, and completes it.
-- Owns: the fields of hosts, and the conditions of those with only `sleep` or `wait`.
-- Does not know: calls.

local argument = require "grid.argument"
local core = require "grid.core"
local schema = require "grid.schema"

local custom = {}

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
  witness = { type = "function" },
  every = { type = "function" },
  background_obstacle = { type = "function" },
  loop = { type = "function" },
  grace = { type = "number" },
  linger = { type = "number" },
  is_ending = { type = "function" },
}

-- Without a descriptor to poll, the engine is stepped at intervals: short while transfers
-- make progress, doubled up to the longest while they do not.
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

-- A polled descriptor must not be closed during the wait. The last reference closes the
-- engine and its descriptor, so the wait holds a reference.
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

-- The descriptor does not become readable if the step of another scheduler has ended a
-- call, or if the client was closed. The wakeup makes the descriptor readable until one
-- of the waiting schedulers has resumed. All of them resume in the same poll of the loop.
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

-- Fields of a host that has `condition`; any other host is completed, and lacks them.
local WITH_CONDITION = { "background_obstacle", "can_yield", "every", "grace", "linger", "loop", "poller", "witness" }

--- Raises unless `given` is a valid host. `what` is the function that received it.
function custom.check(what, given)
  what = what .. ": host"
  schema.check(what, HOST, given)
  if given.condition then return end
  if not given.sleep then argument.raise("%s: field 'sleep' is missing", what) end
  for _, name in ipairs(WITH_CONDITION) do
    if given[name] ~= nil then argument.raise("%s: field '%s' has no effect without the field 'condition'", what, name) end
  end
end

-- The functions `now` and `obstacle` of a program's host. They raise at the caller's line
-- for a value that is of no use: a call whose deadline is NaN would not end.

local function clock_of(given)
  return function()
    local seconds = given.now()
    if type(seconds) ~= "number" then argument.raise_type(seconds, "host '%s': now() must return a number", given.name) end
    if seconds - seconds ~= 0 then argument.raise("host '%s': now() must return a finite number, got %s", given.name, seconds) end
    return seconds
  end
end

local function obstacle_of(given)
  return given.obstacle and function()
    local obstacle = given.obstacle() or nil
    if obstacle ~= nil and type(obstacle) ~= "string" then
      argument.raise_type(obstacle, "host '%s': obstacle() must return a text or nil", given.name)
    end
    return obstacle
  end
end

--- The host of a client, for one without `condition`.
function custom.complete(given)
  return {
    name = given.name, now = clock_of(given), spawn = given.spawn, obstacle = obstacle_of(given), condition = condition_of(given),
  }
end

return custom
