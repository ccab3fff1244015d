-- Times as people read them, and where a session keeps them.
-- Owns: the units (everything here is seconds since 1970, UTC), and the expiry inside a JSON Web Token. Knows no session.

local decode = require "grid.cli.command.decode"
local json = require "grid.json"

local times = {}

local LATEST = 253402300799 -- the end of the year 9999
local UNITS = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } }

local function span(seconds)
  for _, unit in ipairs(UNITS) do
    if seconds >= unit[1] then return ("%d %s"):format(math.floor(seconds / unit[1]), unit[2]) end
  end
  return "0 s"
end

--- For people: the time, and how far it is away.
function times.text(seconds)
  if seconds < 0 or seconds > LATEST then return "at no time that can be named" end
  local left = seconds - os.time()
  return os.date("!%Y-%m-%d %H:%M:%S UTC, ", math.floor(seconds)) .. (left > 0 and "in " .. span(left) or span(-left) .. " ago")
end

--- When a JSON Web Token expires (RFC 7519 section 4.1.4); nil for any other text.
function times.expiry_of_token(token)
  local claims = type(token) == "string" and token:match "^[%w_-]+%.([%w_-]+)%.[%w_-]*$"
  local value = claims and json.decode(decode.base64(claims) or "")
  return type(value) == "table" and type(value.exp) == "number" and value.exp or nil
end

return times
