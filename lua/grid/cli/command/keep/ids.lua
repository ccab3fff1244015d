-- The ids of sessions, as arguments of `grid keep`.
-- Owns: their declaration and check.
-- Does not know: verbs.

local exit = require "grid.cli.exit"

local ids = {}

--- The declaration of the argument.
ids.argument = { name = "ID" }

local MAX = 255 -- bytes

--- The id | the command ends.
function ids.check(command, id)
  if #id < 1 or #id > MAX then exit.usage("%s: ID must have 1 to %d bytes", command, MAX) end
  return id
end

return ids
