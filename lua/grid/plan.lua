-- A plan: what one call sends, and what its answer must hold. { method, path, body, exact, finish, again }
-- `finish(res, slice, exact)` completes a result and returns nothing, or a sentence on what is wrong with the answer; its `exact`
-- are the bytes of that member of the answer's data, where the answer is wrapped and has it.
-- `again(err)`, if there, may ask for one more try: it returns the delay in seconds.
-- Owns: the form, and the spelling of addresses in paths. Knows no endpoint.

local errors = require "grid.errors"
local json = require "grid.json"

local plan = {}

--- A plan with `fields` as its JSON body | nil, error.
function plan.new(method, path, fields, finish)
  local body, kind, code, message = json.encode(fields)
  if not body then return nil, errors.from_core(kind, code, message) end
  return { method = method, path = path, body = body, finish = finish }
end

--- One step of a path (RFC 3986 section 2.3).
function plan.escape(text)
  return (text:gsub("[^%w%-._~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

return plan
