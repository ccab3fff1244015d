-- JSON for the sandbox: a strict reader and a plain writer in pure Lua.
--
-- The sandbox judges what clients send, so it shares no JSON code with the library it
-- tests. Unlike lua-cjson this reader tells `[]` from `{}`, keeps the digits of big
-- integers, refuses doubled names, and says where each member of the outermost object
-- stood, so that a payload can be compared byte for byte.
-- Does not know: nginx; specs use it from either VM.

local byte, char, concat, find, format, match, sub =
  string.byte, string.char, table.concat, string.find, string.format, string.match, string.sub

local json = {}

local MAX_DEPTH = 64
local EXACT_DIGITS = 15 -- every integer of so many digits is exact in a double

local array_mt = { __name = "json.array" }
local big_mt = { __name = "json.big" }
local raw_mt = { __name = "json.raw" }

json.null = setmetatable({}, { __name = "json.null", __tostring = function() return "null" end })

--- Marks a table as an array, so that an empty one is written as `[]`.
function json.array(list) return setmetatable(list or {}, array_mt) end

--- Text that is already JSON and is written as it stands.
function json.raw(text) return setmetatable({ text = text }, raw_mt) end

function json.is_array(value) return getmetatable(value) == array_mt end

function json.is_object(value)
  return type(value) == "table" and getmetatable(value) == nil
end

function json.is_integer(value)
  if type(value) == "number" then return value % 1 == 0 end
  return getmetatable(value) == big_mt
end

local function fail(position, what)
  error({ message = what .. " at byte " .. position }, 0)
end

-- RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF.
local UTF8_FORMS = {
  "^[\194-\223][\128-\191]()", "^\224[\160-\191][\128-\191]()", "^[\225-\236\238\239][\128-\191][\128-\191]()",
  "^\237[\128-\159][\128-\191]()", "^\240[\144-\191][\128-\191][\128-\191]()",
  "^[\241-\243][\128-\191][\128-\191][\128-\191]()", "^\244[\128-\143][\128-\191][\128-\191]()",
}

--- The position of the first byte that is not UTF-8, or nil.
function json.invalid_utf8(text)
  local position = find(text, "[\128-\255]")
  while position do
    local after
    for i = 1, #UTF8_FORMS do
      after = match(text, UTF8_FORMS[i], position)
      if after then break end
    end
    if not after then return position end
    position = find(text, "[\128-\255]", after)
  end
end

local function utf8_char(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + (code - code % 64) / 64, 0x80 + code % 64) end
  local low, middle = code % 64, ((code - code % 64) / 64) % 64
  if code < 0x10000 then return char(0xE0 + (code - code % 4096) / 4096, 0x80 + middle, 0x80 + low) end
  local high, highest = ((code - code % 4096) / 4096) % 64, (code - code % 262144) / 262144
  return char(0xF0 + highest, 0x80 + high, 0x80 + middle, 0x80 + low)
end

local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function hex4(text, position)
  local digits = match(text, "^%x%x%x%x", position) or fail(position, "bad \\u escape")
  return tonumber(digits, 16)
end

-- `position` stands on the backslash.
local function read_escape(text, position)
  local letter = sub(text, position + 1, position + 1)
  if letter ~= "u" then
    return ESCAPES[letter] or fail(position, "bad escape"), position + 2
  end
  local code = hex4(text, position + 2)
  position = position + 6
  if code >= 0xDC00 and code <= 0xDFFF then fail(position, "lone surrogate") end
  if code >= 0xD800 and code <= 0xDBFF then
    if sub(text, position, position + 1) ~= "\\u" then fail(position, "lone surrogate") end
    local low = hex4(text, position + 2)
    if low < 0xDC00 or low > 0xDFFF then fail(position, "lone surrogate") end
    return utf8_char(0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)), position + 6
  end
  return utf8_char(code), position
end

local function read_hard_string(text, position)
  local pieces = {}
  while true do
    local stop = find(text, '["\\%z\1-\31]', position) or fail(#text + 1, "string without end")
    pieces[#pieces + 1] = sub(text, position, stop - 1)
    local letter = byte(text, stop)
    if letter == 34 then return concat(pieces), stop + 1 end
    if letter ~= 92 then fail(stop, "control character in a string") end
    pieces[#pieces + 1], position = read_escape(text, stop)
  end
end

-- Whether the text being read is printable ASCII without a backslash, as nearly all are:
-- then a string ends at the next quote.
local simple

-- `position` stands on the opening quote.
local function read_string(text, position)
  local stop = simple and find(text, '"', position + 1, true)
  if stop then return sub(text, position + 1, stop - 1), stop + 1 end
  return read_hard_string(text, position + 1)
end

local function read_number(text, position)
  local digits = match(text, "^-?[%d.eE+-]*", position)
  local whole, fraction, exponent = match(digits, "^%-?(%d+)(%.?%d*)([eE]?[+-]?%d*)$")
  local sound = whole and (whole == "0" or byte(whole) ~= 48)
    and (fraction == "" or #fraction > 1) and (exponent == "" or find(exponent, "^[eE][+-]?%d+$"))
  if not sound then fail(position, "not a JSON value") end
  if #whole > EXACT_DIGITS and fraction == "" and exponent == "" then
    return setmetatable({ digits = digits }, big_mt), position + #digits
  end
  return tonumber(digits), position + #digits
end

local function skip(text, position)
  if (byte(text, position) or 0) > 32 then return position end
  return find(text, "[^ \t\r\n]", position) or #text + 1
end

local read_value

local function read_array(text, position, depth)
  local list = setmetatable({}, array_mt)
  position = skip(text, position + 1)
  if byte(text, position) == 93 then return list, position + 1 end
  while true do
    list[#list + 1], position = read_value(text, position, depth)
    position = skip(text, position)
    local letter = byte(text, position)
    if letter == 93 then return list, position + 1 end
    if letter ~= 44 then fail(position, "',' or ']' expected") end
    position = skip(text, position + 1)
  end
end

local function read_object(text, position, depth, spans)
  local object = {}
  position = skip(text, position + 1)
  if byte(text, position) == 125 then return object, position + 1 end
  while true do
    if byte(text, position) ~= 34 then fail(position, "a member name expected") end
    local name, first
    name, position = read_string(text, position)
    if object[name] ~= nil then fail(position, "doubled member name") end
    position = skip(text, position)
    if byte(text, position) ~= 58 then fail(position, "':' expected") end
    first = skip(text, position + 1)
    object[name], position = read_value(text, first, depth)
    if spans then spans[name] = { first, position - 1 } end
    position = skip(text, position)
    local letter = byte(text, position)
    if letter == 125 then return object, position + 1 end
    if letter ~= 44 then fail(position, "',' or '}' expected") end
    position = skip(text, position + 1)
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", json.null } }

function read_value(text, position, depth, spans)
  local letter = byte(text, position)
  if letter == 34 then return read_string(text, position) end
  if letter == 123 or letter == 91 then
    if depth >= MAX_DEPTH then fail(position, "nested too deeply") end
    if letter == 123 then return read_object(text, position, depth + 1, spans) end
    return read_array(text, position, depth + 1)
  end
  local word = letter and WORDS[char(letter)]
  if word and sub(text, position, position + #word[1] - 1) == word[1] then return word[2], position + #word[1] end
  return read_number(text, position)
end

--- Reads one JSON text. `spans[name] = {first, last}` tells where the members of an
--- outermost object stand.
---@return any value, table|string spans_or_message  nil and a message when the text is not JSON
function json.decode(text)
  simple = not find(text, "[^ -~]") and not find(text, "\\", 1, true)
  local bad = not simple and json.invalid_utf8(text)
  if bad then return nil, "invalid UTF-8 at byte " .. bad end
  local spans = {}
  local fine, value, position = pcall(read_value, text, skip(text, 1), 0, spans)
  if not fine then
    if type(value) ~= "table" then error(value, 0) end
    return nil, value.message
  end
  position = skip(text, position)
  if position <= #text then return nil, "trailing bytes at byte " .. position end
  return value, spans
end

--- Whether two read values mean the same: member order and number spelling aside, nothing
--- may differ.
function json.equal(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" or getmetatable(a) ~= getmetatable(b) then return false end
  for name, value in pairs(a) do
    if not json.equal(value, b[name]) then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

local function escape(letter)
  return format("\\u%04x", byte(letter))
end

function json.quote(text)
  if find(text, '[%c"\\]') then text = text:gsub('["\\]', "\\%0"):gsub("%c", escape) end
  return '"' .. text .. '"'
end

local function write_array(list)
  local parts = {}
  for i = 1, #list do parts[i] = json.encode(list[i]) end
  return "[" .. concat(parts, ",") .. "]"
end

--- Writes a value; members come in the order of their names. A plain table with a first
--- element is an array.
function json.encode(value)
  local kind = type(value)
  if kind == "string" then return json.quote(value) end
  if kind == "number" then return format(value % 1 == 0 and "%.0f" or "%.16g", value) end
  if kind ~= "table" then return tostring(value) end
  local mark = getmetatable(value)
  if value == json.null then return "null" end
  if mark == raw_mt then return value.text end
  if mark == big_mt then return value.digits end
  if mark == array_mt or value[1] ~= nil then return write_array(value) end
  local names, parts = {}, {}
  for name in pairs(value) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = json.quote(name) .. ":" .. json.encode(value[name]) end
  return "{" .. concat(parts, ",") .. "}"
end

return json
