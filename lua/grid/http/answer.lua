-- The value that transfer:answer returns, and the errors that are made from one.
-- Owns: the fields of that value. Pure: values in, values out.
-- Does not know: the meaning of a status or a body.


local errors = require "grid.errors"

local answer = {}

---@class grid.http.Answer
---@field sent "no"|"yes"|"unknown"
---@field status? integer set, with headers, cookies, bytes and content, if a status line was received
---@field headers? table<string, string> lower-case name to value
---@field cookies? string[] values of Set-Cookie
---@field bytes? integer size of the body
---@field content? grid.core.bytes|string the body
---@field attempts integer attempts so far, including the one of this answer
---@field seconds number
---@field connect_seconds number 0 on a reused connection
---@field retry_after? integer
---@field kind? string set, with code and message, if the answer is incomplete

--- The body as a string | nil: there is none
---@param content? grid.core.bytes|string
function answer.text(content)
  if content == nil or type(content) == "string" then return content end
  return content:string()
end

--- The error of an incomplete answer. `fields` overrides its kind, code and message. The
--- body and the cookies of the answer are fields of the error.
---@param of grid.http.Answer
---@param fields? table becomes the error
---@return grid.Error
function answer.error(of, fields)
  fields = fields or {}
  fields.kind = fields.kind or of.kind
  fields.code = fields.code or of.code
  fields.message = fields.message or of.message
  fields.sent, fields.status, fields.headers, fields.retry_after = of.sent, of.status, of.headers, of.retry_after
  return errors.new(fields, { body = answer.text(of.content), cookies = of.cookies })
end

return answer
