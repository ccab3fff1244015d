-- The host of plain Lua: a call blocks in engine:wait.
-- Owns: nothing.
-- Does not know: HTTP.

local core = require "grid.core"

---@type grid.Host
local blocking = { name = "blocking", now = core.now }

local Condition = { signal = function() end, is_abandoned = function() return false end }
Condition.__index = Condition

function Condition:wait(seconds, engine) -- luacheck: no self
  engine:wait(seconds)
end

--- A condition, which nothing signals: the caller steps the engine itself.
function blocking.condition()
  return setmetatable({}, Condition)
end

return blocking
