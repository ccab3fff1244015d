-- An operation of the API: the request of one call, and the check of its answer.
-- Owns: the fields of an operation.
-- Does not know: the endpoints.

local errors = require "grid.errors"
local json = require "grid.json"

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

return operation
