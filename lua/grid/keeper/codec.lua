-- Encodes tables as bytes and decodes them, by a declared form. Pure, with the same
-- result on each VM and in each locale.
-- Owns: the form. A struct is its fields in order: name, blank, length of the value,
-- colon, value, line feed. Values are exact bytes; numbers are written as text, times in
-- whole milliseconds; a struct, a map or a list in a field is written the same way.
-- Unknown, repeated and missing fields, and bytes after the last field, make a text
-- unreadable.
-- Does not know: records, versions, seals.

local core = require "grid.core"

local codec = {}

-- A kind of value has the form that core.fields_encode takes, and read(text) -> value |
-- nil: it cannot be read.
local function number_kind(form, scale)
  local function read(text)
    if #text > 16 or not text:find "^%-?%d+$" then return nil end
    local number = tonumber(text)
    return scale == 1 and number or number / scale
  end
  return { form = form, read = read }
end

codec.text = { form = "text", read = function(text) return text end }
codec.integer = number_kind("integer", 1)
codec.seconds = number_kind("number", 1000)
codec.flag = {
  form = "flag",
  read = function(text)
    if text == "1" or text == "0" then return text == "1" end
  end,
}

--- The bytes of a value of that kind, after a prefix. Raises if it is of another kind.
---@return string
function codec.encode(kind, value, prefix)
  local bytes, _, _, message = core.fields_encode(kind.form, value, prefix)
  return bytes or error(message, 0)
end

-- Calls on_field(name, text) for each field, until that returns false.
-- -> whether all fields were read
local function read_fields(bytes, on_field)
  local position = 1
  while position <= #bytes do
    local _, last, name, digits = bytes:find("^([%w_]+) (%d+):", position)
    local length = digits and #digits <= 10 and tostring(tonumber(digits)) == digits and tonumber(digits)
    if not length or bytes:sub(last + length + 1, last + length + 1) ~= "\n" then return false end
    if not on_field(name, bytes:sub(last + 1, last + length)) then return false end
    position = last + length + 2
  end
  return true
end

--- A table of texts, by names of letters, digits and _.
codec.map = {
  form = { "map", codec.text.form },
  read = function(text)
    local value = {}
    local is_whole = read_fields(text, function(name, field)
      if value[name] ~= nil then return false end
      value[name] = field
      return true
    end)
    return is_whole and value or nil
  end,
}

function codec.list(kind)
  return {
    form = { "list", kind.form },
    read = function(text)
      local value = {}
      local is_whole = read_fields(text, function(name, field)
        local item = kind.read(field)
        if item == nil or name ~= tostring(#value + 1) then return false end
        value[#value + 1] = item
        return true
      end)
      return is_whole and value or nil
    end,
  }
end

local function read_struct(fields, by_name, text)
  local value = {}
  local is_whole = read_fields(text, function(name, bytes)
    local field = by_name[name]
    if not field or value[name] ~= nil then return false end
    value[name] = field.read(bytes)
    return value[name] ~= nil
  end)
  for _, field in ipairs(fields) do
    if value[field.name] == nil and not field.is_optional then return nil end
  end
  return is_whole and value or nil
end

--- A table with these fields: { name, kind [, "optional"] } each, written in that order.
function codec.struct(list)
  local fields, by_name, form = {}, {}, { "struct" }
  for i, item in ipairs(list) do
    local name, is_optional = item[1], item[3] == "optional"
    fields[i] = { name = name, read = item[2].read, is_optional = is_optional }
    by_name[name] = fields[i]
    for _, element in ipairs { name, item[2].form, is_optional } do form[#form + 1] = element end
  end
  return { form = form, read = function(text) return read_struct(fields, by_name, text) end }
end

return codec
