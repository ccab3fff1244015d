-- Raises errors of misuse at the line of the calling program.
-- Owns: the search for that line, and for the known name that is most similar to an
-- unknown one.
-- Does not know: any option.

local ascii = require "grid.ascii"
local cjson = require "cjson"
local display = require "grid.display"

local argument = {}

local here = debug.getinfo(1, "S").source:match("^(.*)argument%.lua$")

local function is_ours(info)
  return info.what == "C" or here ~= nil and info.source:sub(1, #here) == here
end

--- Raises at the position of the first function on the stack that is not part of this
--- library. If there is none, as in a coroutine whose only function is a method, the
--- message has no position.
function argument.raise(format, ...)
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and is_ours(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  local message = string.format(format, ...):gsub("%c", "?") -- a name may be of any bytes, and long
  error("grid: " .. display.one_line(message), info and level or 0)
end

--- Raises because of the type of `value`, which the message names last. JSON null is a
--- userdata, and is called null.
function argument.raise_type(value, format, ...)
  argument.raise("%s, got %s", format:format(...), value == cjson.null and "null" or type(value))
end

-- The Levenshtein distance of two short names.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

-- maxResponseBytes, MAX_RESPONSE_BYTES and max_response_bytes are compared as equal.
local function plain(name)
  return (ascii.lower(name):gsub("_", ""))
end

--- ", did you mean 'x'?" | `otherwise`: no known name is similar
function argument.suggest(name, known, otherwise)
  local best, best_distance = nil, 3
  for candidate in pairs(known) do
    local d = #name < 64 and distance(plain(name), plain(candidate)) or best_distance
    if d < best_distance or d == best_distance and best and candidate < best then
      best, best_distance = candidate, d
    end
  end
  return best and (", did you mean '%s'?"):format(best) or otherwise
end

return argument
