-- Makes the paths of endpoints, and the operation of client:request.
-- Owns: the escaping and the checks of paths.
-- Does not know: the endpoints.

local errors = require "grid.errors"
local json = require "grid.json"
local operations = require "grid.api.operation"
local schema = require "grid.schema"

local endpoint = {}

--- One step of a path (RFC 3986 section 2.3).
function endpoint.escape(text)
  return (text:gsub("[^0-9A-Za-z%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- Does the path contain a step "." or "..", escaped or not (RFC 3986 section 6.2.2)?
-- Servers resolve such steps, so the request would reach another endpoint.
local function has_dot_step(path)
  local plain = path:gsub("%%2[eE]", "."):gsub("%%2[fF]", "/")
  return ("/" .. plain .. "/"):find("/%.%.?/") ~= nil
end

local function check_part(text)
  if has_dot_step(text) then return "part of a path without the steps '.' and '..'" end
  return schema.not_empty(text)
end

local PART = { type = "string", check = check_part }

--- Escapes the argument `name` of the function `what` as one step of a path. Raises if
--- the value cannot be a step.
function endpoint.path_part(what, name, value)
  schema.check_field(what, name, PART, value)
  return endpoint.escape(value)
end

local METHODS = schema.one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

local function check_path(path)
  if not path:find("^/[^%s%c#\128-\255]*$") then return "a path in ASCII that begins with /, without blanks and fragment" end
  if has_dot_step(path:match "^[^?]*") then return "a path without the steps '.' and '..'" end
end

local REQUEST = {
  method = { type = "string", required = true, check = METHODS },
  path = { type = "string", required = true, check = check_path },
  body = { type = { "string", "table" } },
}

--- An operation for any other endpoint.
function endpoint.request(what, method, path, body)
  schema.check(what, REQUEST, { method = method, path = path, body = body })
  if type(body) == "table" then return operations.new { method = method, path = path, fields = body } end
  if body then
    local value, _, code, message = json.decode(body)
    if value == nil then return nil, errors.from_core("request", code, "the body: " .. message) end
  end
  return operations.new { method = method, path = path, body = body }
end

return endpoint
