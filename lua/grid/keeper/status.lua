-- The state of a session, for keeper:status.
-- Owns: its fields.
-- Does not know: how a session is refreshed. Sends and writes nothing.

local access = require "grid.keeper.access"
local failure = require "grid.keeper.failure"
local flights = require "grid.keeper.flights"
local intents = require "grid.keeper.intent"
local merge = require "grid.keeper.merge"
local observation = require "grid.keeper.observation"
local owner = require "grid.keeper.owner"
local timing = require "grid.keeper.timing"

local status = {}

---@class (exact) grid.KeeperStatus
---@field state "fresh"|"advisory"|"mandatory"|"expired"|"dead"
---@field generation integer
---@field expires_at integer seconds since 1970
---@field refresh_at integer? seconds since 1970: the beginning of the advisory window; nil: the session is dead
---@field refreshing boolean a refresh is in flight, here or in another process
---@field suspended boolean a refresh had an unknown outcome, and is not repeated yet
---@field backoff_until integer? seconds since 1970, rounded up: no request before it
---@field failures integer in a row
---@field last_error string? code of the last failure, or why the session is dead
---@field durability string of the store

local function is_refreshing(keeper, record, env)
  local intent = record.intent
  if flights.current(keeper, record.id) then return true end
  if not intent or not intent.open then return false end
  return owner.judge(intent.owner, env.me, env.clock, observation.of(keeper, record, env.me, false)) == "alive"
end

local WALL_RESOLUTION = 1 -- seconds

-- Seconds since 1970 when the session began. If the wall clock was not set meanwhile,
-- this is the number that `get` counts from.
local function born_at(record, age, env)
  local born = env.clock.wall - age
  return math.abs(born - record.obtained.wall) <= WALL_RESOLUTION and record.obtained.wall or born
end

local function state_of(record, schedule, age)
  return record.state == "dead" and "dead" or timing.state(schedule, age)
end

---@return grid.KeeperStatus?, grid.Error?
function status.of(keeper, id)
  local record, err = access.read(keeper, id)
  if not record and err then return nil, err end
  if not record or record.state == "removed" then return nil, failure.not_found(id) end
  local env, backoff = keeper:env(), record.backoff
  local schedule = timing.schedule(id, record.gen, record.life)
  local age = timing.since(record.obtained, env.clock, env.me)
  local pause = merge.backoff_left(record, env)
  local state, born = state_of(record, schedule, age), born_at(record, age, env)
  local refreshing = is_refreshing(keeper, record, env)
  return {
    state = state,
    generation = record.gen,
    -- Whole seconds: os.date of Lua 5.4 raises for a float with a fraction.
    expires_at = math.floor(born + schedule.life),
    refresh_at = state ~= "dead" and math.floor(born + schedule.advisory) or nil,
    refreshing = refreshing, suspended = intents.is_held(record.intent, env, not refreshing),
    backoff_until = pause > 0 and math.ceil(env.clock.wall + pause) or nil, failures = backoff and backoff.failures or 0,
    last_error = record.dead and record.dead.code or backoff and backoff.code,
    durability = access.durability(keeper),
  }
end

return status
