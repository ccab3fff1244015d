-- The clocks and the identity of the running process, as the pure functions take them.
-- Owns: nothing. Tests replace `boot` and `wall`.
-- Does not know: records.

local core = require "grid.core"

local clock = {
  boot = core.boottime, -- seconds on CLOCK_BOOTTIME
  wall = os.time,       -- whole seconds since 1970
}

---@return grid.keeper.Clock
function clock.read()
  return { wall = clock.wall(), boot = clock.boot() }
end

--- Where this process runs, for an owner or a stamp. Not kept over a fork.
---@param instance string random name of the keeper
function clock.identity(instance)
  local me = core.machine()
  me.instance = instance
  return me
end

--- From 0 up to 1.
function clock.unit()
  return tonumber(core.uuid():sub(1, 8), 16) / 2 ^ 32
end

return clock
