-- JSON between Lua values and text, with the same results for every build of lua-cjson.
-- Owns: the mark of an array. JSON null and the marks of arrays are those of lua-cjson,
-- so that values can be passed to and from a program's own lua-cjson, which is never
-- changed.
-- Does not know: the parser and the writer, which are in grid.core.

local cjson = require "cjson"
local core = require "grid.core"
local argument = require "grid.argument"

local json = {}

--- JSON null, the same value as cjson.null and ngx.null.
json.null = cjson.null

-- OpenResty's lua-cjson has such a mark. Tables with it are arrays for the program's own
-- lua-cjson too.
local array_metatable = cjson.array_mt or { __name = "grid.array" }

--- Marks a table, or a new one, as a JSON array, also when it is empty.
function json.array(items)
  if items ~= nil and type(items) ~= "table" then argument.raise("grid.array: a table is expected, got %s", type(items)) end
  return setmetatable(items or {}, array_metatable)
end

--- Was the value decoded from an array, or marked as one?
function json.is_array(value)
  return getmetatable(value) == array_metatable
end

--- -> value, exact | nil, kind, code, message. Objects and arrays become tables, whole
--- numbers integers where Lua has them. `exact` are the bytes of the value that names and
--- positions lead to.
function json.decode(text, ...)
  return core.json_decode(text, array_metatable, ...)
end

--- The same for the body of an answer: grid.core.bytes, or a string.
function json.decode_body(content, ...)
  if type(content) == "string" then return core.json_decode(content, array_metatable, ...) end
  return content:decode(array_metatable, ...)
end

--- -> text | nil, "request", code, message. Names are sorted; what json.decode gave comes
--- back as it was.
function json.encode(value)
  return core.json_encode(value, array_metatable, cjson.empty_array_mt, cjson.empty_array)
end

--- The exact bytes of a value inside a JSON text, and where they begin: names and
--- positions lead to it. Nil if there is none.
json.slice = core.json_slice

--- Each member of a JSON object: its name and its exact bytes, name included, in turn.
json.members = core.json_members

--- The member that names and positions lead to | nil: there is none, or it is null
function json.at(value, ...)
  for i = 1, select("#", ...) do
    if type(value) ~= "table" then return nil end
    value = value[(select(i, ...))]
  end
  if value == json.null then return nil end
  return value
end

return json
