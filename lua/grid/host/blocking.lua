-- The host of plain Lua: a call blocks in engine:wait.
-- Owns: nothing.
-- Does not know: HTTP.

local core = require "grid.core"

---@type grid.Host
local blocking = { name = "blocking", now = core.now }

local condition = { signal = function() end, is_abandoned = function() return false end }

function condition:wait(seconds, engine) -- luacheck: no self
  engine:wait(seconds)
end

function blocking.condition()
  return condition
end

return blocking
