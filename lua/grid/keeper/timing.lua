-- Computes when a session must be refreshed: stamps, windows before its end, jitter,
-- backoff. Pure: the caller reads the clocks, and gives `clock`, and `me` of
-- core.machine.
-- Owns: the lengths of the windows and of the backoff.
-- Does not know: records, stores, owners; how long a session lives is in lifetime.lua.

local core = require "grid.core"

local timing = {}

local function clamp(value, low, high)
  return math.max(low, math.min(value, high))
end

---@class (exact) grid.keeper.Clock
---@field wall number seconds since 1970
---@field boot number seconds on CLOCK_BOOTTIME

--- A point in time that can be compared exactly as long as the machine runs.
---@class (exact) grid.keeper.Stamp
---@field wall number
---@field boot number
---@field boot_id string?
---@field time_namespace string?

---@param me table
---@param clock grid.keeper.Clock
---@return grid.keeper.Stamp
function timing.stamp(me, clock)
  return { wall = clock.wall, boot = clock.boot, boot_id = me.boot_id, time_namespace = me.time_namespace }
end

--- Do both read the same CLOCK_BOOTTIME? An unknown boot or namespace counts as another.
function timing.shares_clock(a, b)
  return a.boot_id ~= nil and a.boot_id == b.boot_id
    and a.time_namespace ~= nil and a.time_namespace == b.time_namespace
end

--- Seconds since the stamp, never below 0. Exact when measured on the clock of the stamp;
--- otherwise by the wall clocks of two machines, or of two boots of one machine.
---@return number seconds, boolean is_exact
function timing.since(stamp, clock, me)
  if timing.shares_clock(stamp, me) then return math.max(0, clock.boot - stamp.boot), true end
  return math.max(0, clock.wall - stamp.wall), false
end

--- The lengths of the advisory window and of the mandatory window, which follows it and
--- lasts until the session ends: together at most half of the session's life.
---@return number advisory, number mandatory
function timing.windows(life)
  local advisory = clamp(life / 4, 60, 900)
  local mandatory = clamp(life / 20, 20, 60)
  local scale = math.min(1, life / 2 / (advisory + mandatory))
  return advisory * scale, mandatory * scale
end

-- The fraction of the advisory window over which refreshes are spread. The rest is time
-- for the refresh and for a second attempt.
local SPREAD = 0.75

--- From 0 up to 1, the same in each process, evenly spread over ids and generations.
function timing.jitter(id, generation)
  local hash = assert(core.sha256(("grid keeper jitter %d:%s"):format(generation, id)))
  local a, b, c, d = hash:byte(1, 4)
  return (((d / 256 + c) / 256 + b) / 256 + a) / 256
end

--- Ages of a session at which its state changes, computed once per generation.
---@class (exact) grid.keeper.Schedule
---@field advisory number
---@field mandatory number
---@field life number

local function new_schedule(id, generation, life)
  local advisory, mandatory = timing.windows(life)
  local jitter = SPREAD * timing.jitter(id, generation)
  return { advisory = life - mandatory - advisory * (1 - jitter), mandatory = life - mandatory, life = life }
end

-- The last result, since a refresh needs the same schedule several times.
local last = {}

--- The table may be the same each time, and must not be changed.
---@return grid.keeper.Schedule
function timing.schedule(id, generation, life)
  if last.id ~= id or last.generation ~= generation or last.life ~= life then
    last = { id = id, generation = generation, life = life, schedule = new_schedule(id, generation, life) }
  end
  return last.schedule
end

--- The state of a session of that age. `min_ttl` moves the mandatory window of a caller;
--- above the life of the session it is that life.
---@param schedule grid.keeper.Schedule
---@param age number
---@param min_ttl? number
---@return "fresh"|"advisory"|"mandatory"|"expired"
function timing.state(schedule, age, min_ttl)
  local life = schedule.life
  if age >= life then return "expired" end
  if age >= schedule.mandatory or min_ttl and age >= life - min_ttl then return "mandatory" end
  return age >= schedule.advisory and "advisory" or "fresh"
end

local BACKOFF_BASE, BACKOFF_CAP, RETRY_AFTER_CAP = 1, 60, 3600 -- seconds

--- Seconds until the next attempt after that many failures in a row: full jitter, added
--- to the server's Retry-After.
---@param failures integer 1 or more
---@param retry_after? number
---@param unit number random, from 0 up to 1
function timing.backoff(failures, retry_after, unit)
  -- 2^6 is above the cap; a larger exponent could overflow.
  local window = math.min(BACKOFF_CAP, BACKOFF_BASE * 2 ^ math.min(failures - 1, 6))
  return clamp(retry_after or 0, 0, RETRY_AFTER_CAP) + unit * window
end

return timing
