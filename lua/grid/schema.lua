-- Checks tables of a caller against a schema.
-- Owns: the checks, and the messages of misuse. Tables are read through their metatables,
-- and are not changed.
-- Does not know: any schema.
--
-- A schema maps the name of a field to { type, or_null, required, check, default }.
-- `type` is a name or a list of names; `or_null` accepts JSON null as well;
-- `check(value)` returns nil if it accepts the value, else a phrase that completes "must
-- be".

local argument = require "grid.argument"
local json = require "grid.json"

local schema = {}

local function accepts(field, value)
  local kind, accepted = type(value), field.type
  if type(accepted) == "string" then return kind == accepted end
  for i = 1, #accepted do
    if kind == accepted[i] then return true end
  end
  return field.or_null == true and value == json.null
end

local function type_name(field)
  return type(field.type) == "string" and field.type or table.concat(field.type, " or ")
end

--- Raises unless `value` fits the field `name`.
function schema.check_field(what, name, field, value)
  if not accepts(field, value) then
    argument.raise_type(value, "%s: '%s' must be a %s", what, name, type_name(field))
  end
  local expected = field.check and field.check(value)
  if expected then argument.raise("%s: '%s' must be %s", what, name, expected) end
end

-- Schema -> list of its names: a loop over a list is faster than one over pairs.
local names_of = setmetatable({}, { __mode = "k" })

local function list_names(declared)
  local names = {}
  for name in pairs(declared) do names[#names + 1] = name end
  names_of[declared] = names
  return names
end

local function fits(declared, given)
  for name in pairs(given) do
    if not declared[name] then return false end
  end
  local names = names_of[declared] or list_names(declared)
  for i = 1, #names do
    local name = names[i]
    local field, value = declared[name], given[name]
    if value == nil then
      if field.required then return false end
    elseif type(value) ~= field.type and not accepts(field, value) or field.check and field.check(value) then
      return false
    end
  end
  return true
end

--- The names of a table as a sorted list.
function schema.sorted_names(of)
  local names = {}
  for name in pairs(of) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local FEW = 8 -- names that a message lists

-- The end of a message about an unknown name: the name that is most similar, else all
-- names if they are few.
local function hint(name, declared)
  local suggestion = type(name) == "string" and argument.suggest(name, declared, "") or ""
  local names = schema.sorted_names(declared)
  if suggestion ~= "" or #names == 0 or #names > FEW then return suggestion end
  return "; its fields are " .. table.concat(names, ", ")
end

-- Names are sorted, so that of several faults the same one is reported each time,
-- independent of the order of `pairs`.
local function raise_first_fault(what, declared, given)
  for _, name in ipairs(schema.sorted_names(given)) do
    if not declared[name] then
      argument.raise("%s: unknown field '%s'%s", what, tostring(name), hint(name, declared))
    end
    schema.check_field(what, name, declared[name], given[name])
  end
  for _, name in ipairs(schema.sorted_names(declared)) do
    local field, value = declared[name], given[name]
    if value ~= nil then schema.check_field(what, name, field, value) end
    if value == nil and field.required then argument.raise("%s: field '%s' is missing", what, name) end
  end
end

--- Raises unless `given` is a table that matches the schema. `noun`: the name of the
--- table in a message; default "options".
function schema.check(what, declared, given, noun)
  if type(given) ~= "table" then
    argument.raise_type(given, "%s: the %s must be a table", what, noun or "options")
  end
  if not fits(declared, given) then raise_first_fault(what, declared, given) end
end

--- Raises for a view of another table, whose members only its metatable knows: it would
--- be read as an empty table where members are enumerated.
function schema.refuse_view(what, noun, given)
  local metatable = getmetatable(given)
  if next(given) ~= nil or type(metatable) ~= "table" or not (metatable.__index or metatable.__pairs) then return end
  argument.raise("%s: %s: copy the members into a plain table: those behind __index or __pairs are not read", what, noun)
end

-- Checks for several schemas.

local MAX_SECONDS = 1e6 -- as milliseconds, fits in 31 bits
local MAX_COUNT = 2 ^ 31 - 1

function schema.seconds(value)
  if not (value > 0 and value <= MAX_SECONDS) then return "greater than 0, and 1000000 seconds at most" end
end

function schema.count(value)
  if not (value >= 1 and value <= MAX_COUNT and value == math.floor(value)) then return "a whole number, 1 or more" end
end

function schema.whole(value)
  if value < 0 or value ~= math.floor(value) or value == math.huge then return "a whole number, 0 or more" end
end

function schema.not_empty(value)
  if value == "" then return "a string that is not empty" end
end

function schema.without_controls(value)
  if value:find("%c") then return "a string without control characters" end
end

function schema.plain(value)
  return schema.not_empty(value) or schema.without_controls(value)
end

function schema.one_of(...)
  local names = { ... }
  local known = {}
  for _, name in ipairs(names) do known[name] = true end
  return function(value)
    if not known[value] then return "one of " .. table.concat(names, ", ") end
  end
end

-- Raises for a misspelt name: a nil in the field `check` would disable the check.
return setmetatable(schema, { __index = function(_, name) error("grid.schema has no " .. tostring(name), 2) end })
