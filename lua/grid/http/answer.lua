-- An answer as transfer:answer gives it, and the errors that are made of one.
-- Pure. Does not know: what a status or a body means.

local errors = require "grid.errors"

local answer = {}

---@class grid.http.Answer
---@field sent "no"|"yes"|"unknown"
---@field status? integer with headers, cookies, bytes and content: an answer came, whole or not
---@field headers? table<string, string> lower-case name to value
---@field cookies? string[] values of Set-Cookie
---@field bytes? integer size of the body
---@field content? grid.core.bytes the body
---@field attempts integer tries that were made, the one of this answer included
---@field seconds number
---@field connect_seconds number 0 on a reused connection
---@field retry_after? integer
---@field kind? string with code and message: no whole answer came

--- The error of an answer that is not whole, or that `fields` gives another kind, code
--- and message. Its body and cookies stay reachable.
---@param of grid.http.Answer
---@param fields? table takes it over
---@return grid.Error
function answer.error(of, fields)
  fields = fields or {}
  fields.kind = fields.kind or of.kind
  fields.code = fields.code or of.code
  fields.message = fields.message or of.message
  fields.sent, fields.status, fields.headers, fields.retry_after = of.sent, of.status, of.headers, of.retry_after
  return errors.new(fields, { body = of.content and of.content:string(), cookies = of.cookies })
end

return answer
