-- JSON between Lua values and text, alike with every lua-cjson.
-- Owns: a private instance of lua-cjson, the mark of an array, and the writing of numbers so that they come back the same.
-- The shared lua-cjson of the program is never touched.

local cjson = require "cjson"
local core = require "grid.core"

local json = {}

local private = cjson.new()
private.decode_invalid_numbers(false)

--- JSON null, the same value as cjson.null and ngx.null.
json.null = cjson.null

-- OpenResty's lua-cjson knows such a mark; what carries ours is then an array for the program's own lua-cjson too.
local array_metatable = cjson.array_mt or { __name = "grid.array" }

--- Marks a table as a JSON array, also when it is empty; without an argument: a new one.
function json.array(items)
  return setmetatable(items or {}, array_metatable)
end

--- -> value | nil, kind, code, message. Objects and arrays become tables, whole numbers integers where Lua has them.
function json.decode(text)
  return core.json_decode(text, private.decode, array_metatable)
end

local encode_value

local function refuse(format, ...)
  error({ message = format:format(...) }, 0)
end

-- The shortest form that reads back as the same double.
local function encode_number(number)
  if number ~= number or number == math.huge or number == -math.huge then
    refuse("%s is no JSON number", tostring(number))
  end
  if math.type and math.type(number) == "integer" then return ("%d"):format(number) end
  if number == math.floor(number) and math.abs(number) < 2 ^ 63 then return ("%.0f"):format(number) end
  for precision = 14, 17 do
    local text = ("%." .. precision .. "g"):format(number)
    if tonumber(text) == number then return text end
  end
end

local function encode_string(text)
  local quoted = core.json_quote(text)
  return quoted or refuse("a string is not valid UTF-8")
end

local function encode_array(array, depth)
  local parts = {}
  for i = 1, #array do parts[i] = encode_value(array[i], depth) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(object, depth)
  local names, parts = {}, {}
  for name in pairs(object) do
    if type(name) ~= "string" then refuse("a table mixes names and positions, or has holes") end
    names[#names + 1] = name
  end
  table.sort(names) -- the same value is the same text each time
  for i, name in ipairs(names) do
    parts[i] = encode_string(name) .. ":" .. encode_value(object[name], depth)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function is_array(value)
  local metatable = getmetatable(value)
  if metatable == array_metatable or metatable ~= nil and metatable == cjson.empty_array_mt then return true end
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  return count > 0 and count == #value
end

local MAX_DEPTH = 64

local function encode_table(value, depth)
  if depth == MAX_DEPTH then refuse("tables are nested deeper than %d levels", MAX_DEPTH) end
  if is_array(value) then return encode_array(value, depth + 1) end
  return encode_object(value, depth + 1)
end

function encode_value(value, depth)
  local kind = type(value)
  if kind == "string" then return encode_string(value) end
  if kind == "number" then return encode_number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "table" then return encode_table(value, depth) end
  if value == json.null then return "null" end
  if value ~= nil and value == cjson.empty_array then return "[]" end
  refuse("a %s has no JSON form", kind)
end

--- -> text | nil, "request", code, message. Names are sorted; what json.decode gave comes back as it was.
function json.encode(value)
  local ok, text = pcall(encode_value, value, 0)
  if ok then return text end
  if type(text) ~= "table" then error(text, 0) end
  return nil, "request", "bad_value", text.message
end

--- The exact bytes of a value inside a JSON text: names and positions lead to it. Nil if there is none.
json.slice = core.json_slice

return json
