-- Random numbers that need not be secret: delays.
-- Owns: nothing; the bits are those of a UUID.
-- Does not know: the use of a number.

local core = require "grid.core"

local random = {}

--- From 0 up to 1.
function random.unit()
  return tonumber(core.uuid():sub(1, 8), 16) / 2 ^ 32
end

return random
