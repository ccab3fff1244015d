-- An operation of the API: what one call sends, and what its answer must hold.
-- Owns: the form, and what may stand in paths.
-- Does not know: any endpoint.

local errors = require "grid.errors"
local json = require "grid.json"

local operation = {}

---@class (exact) grid.Operation
---@field method string
---@field path string below /api/grid/v1, with its query
---@field body? string
---@field check? fun(data: any): string? what is wrong with the answer's data
---@field session_at? (string|integer)[] names and positions that lead to the session in the answer's data
---@field session_sent? string the kms_payload in the body, byte for byte
---@field again? fun(err: grid.Error): number? may ask for one more try: the delay in seconds

--- An operation | nil, error. Takes the table over: the fields of an operation, or in
--- place of the body `fields`: a table to be sent as JSON.
function operation.new(given)
  if given.fields then
    local body, kind, code, message = json.encode(given.fields)
    if not body then return nil, errors.from_core(kind, code, message) end
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
  return (text:gsub("[^%w%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

--- Does a step of that path lead elsewhere: "." or "..", in whatever spelling (RFC 3986
--- section 6.2.2)? Servers follow it.
function operation.has_dot_step(path)
  local plain = path:gsub("%%2[eE]", "."):gsub("%%2[fF]", "/")
  return ("/" .. plain .. "/"):find("/%.%.?/") ~= nil
end

return operation
