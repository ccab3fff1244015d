-- The clocks and the identity of the running process, as the pure functions take them.
-- Owns: the identity, until the process forks. Tests replace `boot` and `wall`.
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

local here, pid -- the result of core.machine, and the process that called it
local last = {} -- the last identity that was returned

--- Identifies this process, for an owner or a stamp; computed again in a forked child.
--- The table may be the same each time, and must not be changed.
---@param instance string random name of the keeper
function clock.identity(instance)
  local now = core.pid()
  if pid ~= now then here, pid, last = core.machine(), now, {} end
  if last.instance ~= instance then
    last = { instance = instance }
    for name, value in pairs(here) do last[name] = value end
  end
  return last
end

return clock
