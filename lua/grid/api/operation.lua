-- An operation of the API: the request of one call, and the check of its answer.
-- Owns: the fields of an operation, the escaping of paths, client:request's operation.
-- Does not know: the endpoints.

local errors = require "grid.errors"
local json = require "grid.json"
local schema = require "grid.schema"

local operation = {}

---@class (exact) grid.Operation
---@field method string
---@field path string below /api/grid/v1, with its query
---@field body? string
---@field check? fun(data: any): string? the fault of the answer's data; nil: accepted
---@field session_at? (string|integer)[] names and positions that lead to the session in the answer's data
---@field session_sent? string the kms_payload in the body, byte for byte
---@field again? fun(err: grid.Error): number? requests one more attempt: its delay in seconds

--- Makes `given` an operation: its fields, or in place of `body` a table `fields` to be
--- sent as JSON. -> operation | nil, error
function operation.new(given)
  if given.fields then
    local body, kind, code, message = json.encode(given.fields)
    if not body then return nil, errors.from_core(kind, code, "the body: " .. message) end
    given.body, given.fields = body, nil
  end
  return given
end

--- A check for answers whose data is an object.
function operation.check_object(data)
  if type(data) ~= "table" or json.is_array(data) then return "the answer's data is not an object" end
end

--- One step of a path (RFC 3986 section 2.3).
function operation.escape(text)
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
function operation.path_part(what, name, value)
  schema.check_field(what, name, PART, value)
  return operation.escape(value)
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
function operation.request(what, method, path, body)
  schema.check(what, REQUEST, { method = method, path = path, body = body })
  if type(body) == "table" then return operation.new { method = method, path = path, fields = body } end
  if body then
    local value, _, code, message = json.decode(body)
    if value == nil then return nil, errors.from_core("request", code, "the body: " .. message) end
  end
  return operation.new { method = method, path = path, body = body }
end

return operation
