-- Checks the headers of a request.
-- Owns: which names of header fields are accepted.
-- Does not know: services.

local argument = require "grid.argument"
local ascii = require "grid.ascii"
local schema = require "grid.schema"

local header_fields = {}

-- Headers that libcurl sets: they frame the message or are specific to the connection
-- (RFC 9110 7.6.1).
local FRAMING = {}
for _, name in ipairs {
  "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
  "transfer-encoding", "upgrade",
} do FRAMING[name] = true end

-- A token of RFC 9110 5.6.2.
local NAME = "^[0-9A-Za-z!#$%%&'*+.^_`|~-]+$"

local MAX_HEADERS = 100 -- grid.core takes a few more

--- Raises unless `given` maps field names to strings. A value with control characters
--- is refused when the request is sent.
function header_fields.check(what, given)
  schema.refuse_view(what, "headers", given)
  local count = 0
  for name, value in pairs(given) do
    count = count + 1
    if count > MAX_HEADERS then argument.raise("%s: headers: more than %d", what, MAX_HEADERS) end
    if type(name) ~= "string" or not name:find(NAME) then
      argument.raise("%s: headers: the name of a field is expected, got '%s'", what, tostring(name))
    end
    if type(value) ~= "string" then argument.raise_type(value, "%s: headers: '%s' must be a string", what, name) end
    if FRAMING[ascii.lower(name)] then argument.raise("%s: headers: '%s' is set by libcurl", what, name) end
  end
end

return header_fields
