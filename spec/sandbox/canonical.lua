-- The canonical form of JSON (RFC 8785), as the sandbox understands it: read by json.lua,
-- written anew here. It shares nothing with the library's canonical form, which it is to
-- check, and is no quicker than it needs to be.
-- Does not know: the library's canonical form.

local room = (...):match "^(.-)[^.]*$"
local json = require(room .. "json")

local canonical = {}

local LETTERS = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

-- RFC 8785 3.2.2.2: what must be escaped is, and nothing else.
local function write_string(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', function(letter)
    return LETTERS[letter] or ("\\u%04x"):format(letter:byte())
  end) .. '"'
end

-- The digits one higher in the last place: "129" -> "130", "99" -> "100".
local function next_up(digits)
  local head, digit, nines = ("0" .. digits):match "^(%d*)([0-8])(9*)$"
  return ((head .. string.char(digit:byte() + 1) .. ("0"):rep(#nines)):gsub("^0", ""))
end

local EXPANSION = 40 -- digits after the first, far more than tell two doubles apart

-- The two numbers of `precision` digits around the one of `expansion`, the closer one
-- first, of two as close the even one. Done here because LuaJIT and C round such a tie
-- differently.
local function neighbours(expansion, precision)
  local down, rest = expansion:sub(1, precision), expansion:sub(precision + 1)
  local up, half = next_up(down), "5" .. ("0"):rep(#rest - 1)
  if rest > half or rest == half and down:find "[13579]$" then return up, down end
  return down, up
end

-- ECMAScript, Number::toString, the choice of n, k and s: the fewest digits that read as
-- the same double, and of those the closest. Right above a power of two the closer one
-- may be read as another double, and the other not.
---@return string digits, integer point  the number is 0.digits times ten to the point
local function shortest(number)
  local digit, more, exponent = ("%." .. EXPANSION .. "e"):format(number):match "^(%d)%.(%d+)e([+-]%d+)$"
  for precision = 1, 17 do
    local scale = tonumber(exponent) + 1 - precision
    local first, second = neighbours(digit .. more, precision)
    local found = tonumber(first .. "e" .. scale) == number and first or tonumber(second .. "e" .. scale) == number and second
    if found then return found:match "^(.-)0*$", #found + scale end
  end
end

-- ECMAScript, Number::toString, steps 6 to 12: `digits` with the point after the first
-- `point` of them.
local function place_point(digits, point)
  local count = #digits
  if point >= count and point <= 21 then return digits .. ("0"):rep(point - count) end
  if point > 0 and point <= 21 then return digits:sub(1, point) .. "." .. digits:sub(point + 1) end
  if point > -6 and point <= 0 then return "0." .. ("0"):rep(-point) .. digits end
  local exponent = ("e%+d"):format(point - 1)
  if count == 1 then return digits .. exponent end
  return digits:sub(1, 1) .. "." .. digits:sub(2) .. exponent
end

local function write_number(number)
  if number == 0 then return "0" end -- of either sign
  if math.abs(number) == math.huge then error({ message = "a number beyond a double" }, 0) end
  if number < 0 then return "-" .. write_number(-number) end
  return place_point(shortest(number))
end

local function code_units(text)
  return (text:gsub("[%z\1-\127\194-\244][\128-\191]*", function(letter)
    local code = letter:byte()
    code = code - (code < 0x80 and 0 or code < 0xE0 and 0xC0 or code < 0xF0 and 0xE0 or 0xF0)
    for i = 2, #letter do code = code * 64 + letter:byte(i) - 0x80 end
    if code < 0x10000 then return string.char((code - code % 256) / 256, code % 256) end
    code = code - 0x10000
    local high, low = 0xD800 + (code - code % 1024) / 1024, 0xDC00 + code % 1024
    return string.char((high - high % 256) / 256, high % 256, (low - low % 256) / 256, low % 256)
  end))
end

local write

-- RFC 8785 3.2.3: names in the order of their UTF-16 code units, which big-endian bytes
-- have as well.
local function write_object(object)
  local names, units = {}, {}
  for name in pairs(object) do
    names[#names + 1] = name
    units[name] = code_units(name)
  end
  table.sort(names, function(a, b) return units[a] < units[b] end)
  for i, name in ipairs(names) do names[i] = write_string(name) .. ":" .. write(object[name]) end
  return "{" .. table.concat(names, ",") .. "}"
end

local function write_array(list)
  local parts = {}
  for i = 1, #list do parts[i] = write(list[i]) end
  return "[" .. table.concat(parts, ",") .. "]"
end

function write(value)
  if type(value) == "string" then return write_string(value) end
  if json.is_array(value) then return write_array(value) end
  if json.is_object(value) then return write_object(value) end
  if type(value) == "number" then return write_number(value) end
  if json.is_integer(value) then return write_number(tonumber(json.encode(value)) + 0.0) end -- one of many digits
  return tostring(value)
end

---@return string|nil text, string|nil problem
function canonical.text(text)
  local value, problem = json.decode(text)
  if value == nil then return nil, problem end
  local fine, result = pcall(write, value)
  if not fine then
    if type(result) ~= "table" then error(result, 0) end
    return nil, result.message
  end
  return result
end

return canonical
