-- Converts between JSON text and Lua values, with the same results for every build of
-- lua-cjson.
-- Owns: the mark of an array. JSON null and the marks of arrays are those of lua-cjson,
-- so that values can be exchanged with the program's lua-cjson, whose settings are not
-- changed.
-- Does not know: the parser and the writer, which are in grid.core.

local argument = require "grid.argument"
local cjson = require "cjson"
local core = require "grid.core"

local json = {}

--- JSON null, the same value as cjson.null and ngx.null.
json.null = cjson.null

-- The mark of OpenResty's lua-cjson, if it has one: then the program's lua-cjson encodes
-- these tables as arrays too.
local array_metatable = cjson.array_mt or { __name = "grid.array" }

--- Marks a table, or a new one, as a JSON array, also when it is empty.
function json.array(items)
  if items ~= nil and type(items) ~= "table" then argument.raise_type(items, "grid.array: a table is expected") end
  local ok, array = pcall(setmetatable, items or {}, array_metatable)
  if not ok then argument.raise "grid.array: the table has a protected metatable" end
  return array
end

--- Was the value decoded from an array, or marked as one?
function json.is_array(value)
  return getmetatable(value) == array_metatable
end

--- -> value, exact | nil, kind, code, message. Objects and arrays become tables, and
--- whole numbers integers if the VM has integers. `exact`: the bytes of the value at the
--- path of names and positions `...`
function json.decode(text, ...)
  return core.json_decode(text, array_metatable, ...)
end

--- The same for the body of an answer: grid.core.bytes, or a string.
function json.decode_body(content, ...)
  if type(content) == "string" then return core.json_decode(content, array_metatable, ...) end
  return content:decode(array_metatable, ...)
end

--- -> text | nil, "request", code, message. Names are sorted. A value of json.decode is
--- encoded to the same JSON.
function json.encode(value)
  return core.json_encode(value, array_metatable, cjson.empty_array_mt, cjson.empty_array)
end

--- The exact bytes of the value at a path of names and positions in a JSON text, and the
--- position of the first byte | nil: no such value
json.slice = core.json_slice

--- Iterates over the members of a JSON object: the name, and the exact bytes including
--- the name.
json.members = core.json_members

--- The value at a path of names and positions in a decoded value | nil: none, or null
function json.at(value, step, ...)
  if type(value) ~= "table" then return nil end
  value = value[step]
  if value == json.null then return nil end
  if ... then return json.at(value, ...) end
  return value
end

--- The value | nil: it is not a string, or is empty
---@param value any
---@return string?
function json.text(value)
  return type(value) == "string" and value ~= "" and value or nil
end

return json
