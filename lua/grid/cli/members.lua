-- Looking into values whose form nobody vouches for: what a file holds, what a service answers.
-- Owns: the steps. Nothing is wrong for it, only missing.

local json = require "grid.json"

local members = {}

--- The member that names and positions lead to; nil where there is none, or null.
function members.at(value, ...)
  for _, name in ipairs { ... } do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value ~= json.null and value or nil
end

--- The texts of a list, or with `name` those of that member of its entries, as a set.
function members.set(list, name)
  local set = {}
  for _, entry in ipairs(type(list) == "table" and list or {}) do
    local text = entry
    if name then text = members.at(entry, name) end
    if type(text) == "string" then set[text] = true end
  end
  return set
end

return members
