-- The host of plain Lua: it waits by blocking, in the engine itself.

local core = require "grid.core"

---@type grid.Host
local blocking = { name = "blocking", now = core.now }

--- Waits until the engine has something to do, `seconds` at most.
function blocking.idle(engine, seconds)
  engine:wait(seconds)
end

return blocking
