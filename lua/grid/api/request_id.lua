-- Reads the id that the service gives to a request.
-- Owns: where an answer holds it, and which parts of a request are secrets.
-- Does not know: how secrets are found, which is in grid.http.echo and grid.http.redact.

local display = require "grid.display"
local echo = require "grid.http.echo"
local redact = require "grid.http.redact"

local request_id = {}

--- The parts of a request that must not be shown.
function request_id.secrets_of(request)
  return request.api_key, request.body or "", request.cookie or ""
end

local function member(body, name)
  return type(body) == "table" and body[name]
end

--- The id of the request, without secrets, since a service may copy parts of the request
--- into it | nil
function request_id.of(request, answer, body)
  local id = display.seen(answer.headers["x-request-id"])
    or display.seen(member(member(body, "metadata"), "request_id"))
    or display.seen(member(body, "request_id"))
  if id and echo.is_possible(id, request_id.secrets_of(request)) then
    id = redact.strike(id, request_id.secrets_of(request))
  end
  return id and display.one_line(id)
end

return request_id
