-- The names of sessions, as arguments of `grid keep`.
-- Owns: their declaration and check.
-- Does not know: verbs.

local exit = require "grid.cli.exit"

local names = {}

--- The declaration of the argument.
names.argument = { name = "NAME" }

local MAX = 255 -- bytes

--- The name | the command ends.
function names.check(command, name)
  if #name < 1 or #name > MAX then exit.usage("%s: NAME must have 1 to %d bytes", command, MAX) end
  return name
end

return names
