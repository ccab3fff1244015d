-- Encodes tables as bytes and decodes them, by a declared form. Pure, with the same
-- result on each VM and in each locale.
-- Owns: the form. A struct is its fields in order: name, blank, length of the value,
-- colon, value, line feed. Values are exact bytes; numbers are written as text, times in
-- whole milliseconds; a struct, a map or a list in a field is written the same way.
-- Unknown, repeated and missing fields, and bytes after the last field, make a text
-- unreadable.
-- Does not know: records, versions, seals.

local codec = {}

local LOWEST, HIGHEST = -1e15 + 1, 1e16 - 2 -- numbers between them have up to 16 characters

-- A kind of value: write(value) -> text; read(text) -> value | nil: it cannot be read.
local function number_kind(scale)
  local function read(text)
    if #text > 16 or not text:find "^%-?%d+$" then return nil end
    local number = tonumber(text)
    return scale == 1 and number or number / scale
  end
  local function write(value)
    local scaled = value * scale
    if scaled > LOWEST and scaled < HIGHEST then return ("%d"):format(math.floor(scaled + 0.5)) end
    error(("a number of up to 16 digits is expected, got %.0f"):format(scaled), 0)
  end
  return { read = read, write = write }
end

local function check_text(value)
  if type(value) ~= "string" then error("a text is expected, got " .. type(value), 0) end
  return value
end

codec.text = { write = check_text, read = check_text }
codec.integer = number_kind(1)
codec.seconds = number_kind(1000)
codec.flag = {
  write = function(value) return value and "1" or "0" end,
  read = function(text)
    if text == "1" or text == "0" then return text == "1" end
  end,
}

-- " length:" of short values, which most are.
local LENGTHS = {}
for length = 0, 99 do LENGTHS[length] = (" %d:"):format(length) end

local function field_of(name, text)
  return name .. (LENGTHS[#text] or (" %d:"):format(#text)) .. text .. "\n"
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
  write = function(value)
    local names, parts = {}, {}
    for name in pairs(value) do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do
      if not name:find "^[%w_]+$" then error("a name of letters, digits and _ is expected", 0) end
      parts[i] = field_of(name, check_text(value[name]))
    end
    return table.concat(parts)
  end,
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
    write = function(value)
      local parts = {}
      for i, item in ipairs(value) do parts[i] = field_of(tostring(i), kind.write(item)) end
      return table.concat(parts)
    end,
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

local function write_struct(fields, by_name, value)
  for name in pairs(value) do
    if not by_name[name] then error(("a record has no field '%s'"):format(tostring(name)), 0) end
  end
  local parts = {}
  for i = 1, #fields do
    local field = fields[i]
    local item = value[field.name]
    if item ~= nil then
      parts[i] = field_of(field.name, field.write(item))
    elseif field.is_optional then
      parts[i] = ""
    else
      error(("a record needs the field '%s'"):format(field.name), 0)
    end
  end
  return table.concat(parts)
end

local function read_struct(fields, by_name, text)
  local value = {}
  local is_whole = read_fields(text, function(name, bytes)
    local field = by_name[name]
    if not field or value[name] ~= nil then return false end
    value[name] = field.kind.read(bytes)
    return value[name] ~= nil
  end)
  for _, field in ipairs(fields) do
    if value[field.name] == nil and not field.is_optional then return nil end
  end
  return is_whole and value or nil
end

--- A table with these fields: { name, kind [, "optional"] } each, written in that order.
function codec.struct(list)
  local fields, by_name = {}, {}
  for i, item in ipairs(list) do
    fields[i] = { name = item[1], kind = item[2], write = item[2].write, is_optional = item[3] == "optional" }
    by_name[item[1]] = fields[i]
  end
  return {
    write = function(value) return write_struct(fields, by_name, value) end,
    read = function(text) return read_struct(fields, by_name, text) end,
  }
end

return codec
