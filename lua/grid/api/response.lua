-- Makes a result from an HTTP answer.
-- Owns: the forms of success bodies that the service documents.
-- Pure: `answer` is a grid.http.Answer, `request` the grid.http.Request that was sent.
-- Does not know: attempts and connections; errors, which are in grid.api.failure.

local answers = require "grid.http.answer"
local failure = require "grid.api.failure"
local json = require "grid.json"
local request_id = require "grid.api.request_id"
local session = require "grid.api.session"

local unpack = table.unpack or unpack

local response = {}

---@class (exact) grid.Result
---@field data any the member `data` of the answer, or the whole answer without such a member
---@field metadata table the member `metadata` of the answer; empty if it has none
---@field kms_payload_json string? the session to store, see session.to_store
---@field expires_at integer? expiry of its authorization key, seconds since 1970
---@field status integer
---@field request_id string?
---@field idempotency_key string? as sent
---@field attempts integer attempts in total
---@field cookies string[] values of Set-Cookie
---@field headers table<string, string> lower-case name to value
---@field body string the raw bytes of the answer; not listed by pairs
local Result = { __name = "grid.result" }

local bodies = setmetatable({}, { __mode = "k" })

function Result:__index(name)
  if name == "body" then return answers.text(bodies[self]) end
end

function Result:__tostring()
  return ("grid.result: status %d, request %s"):format(self.status, self.request_id or "unknown")
end

local function table_or_empty(value)
  return type(value) == "table" and value or {}
end

-- The session in the answer's data, decoded and as bytes. The operation's check has
-- accepted it. `found`: its bytes, if the answer is wrapped in `data`.
local function session_of(answer, operation, data, found)
  local steps = operation.session_at
  if not steps then return nil end
  local payload = data
  for i = 1, #steps do payload = payload[steps[i]] end
  return payload, found or select(2, json.decode_body(answer.content, unpack(steps)))
end

-- `found`: the bytes at the path "data" and then `session_at` of the operation | nil
local function read_success(request, answer, body, found)
  local operation = request.operation
  local wrapped = body.data ~= nil
  local data = body
  if wrapped then data = body.data end
  local problem = operation.check and operation.check(data)
  if problem then return failure.invalid(request, answer, "bad_answer", problem, body) end
  local payload, bytes = session_of(answer, operation, data, found)
  local res = setmetatable({
    data = data,
    metadata = wrapped and table_or_empty(body.metadata) or {},
    kms_payload_json = payload and session.to_store(bytes, payload, operation.session_sent),
    expires_at = payload and session.expires_at(payload),
    status = answer.status,
    request_id = request_id.of(request, answer, body),
    idempotency_key = request.idempotency_key,
    attempts = answer.attempts,
    cookies = answer.cookies,
    headers = answer.headers,
  }, Result)
  bodies[res] = answer.content
  return res
end

local NO_CONTENT = { [204] = true, [205] = true }
local NO_REDIRECT = { [304] = true, [305] = true, [306] = true } -- RFC 9110 15.4.5 to 15.4.7

-- -> the body as a table, the bytes of the session | nil, error
local function decode(answer, request)
  local steps = request.operation.session_at
  local body, found, code, message
  if steps then
    body, found, code, message = json.decode_body(answer.content, "data", unpack(steps))
  else
    body, found, code, message = json.decode_body(answer.content)
  end
  if type(body) == "table" then return body, found end
  if body ~= nil then
    return failure.invalid(request, answer, "bad_answer", "the answer is neither a JSON object nor a list")
  end
  return failure.unreadable(request, answer, code, message)
end

--- Judges the answer to `request`. -> grid.Result | nil, grid.Error
function response.judge(answer, request)
  if answer.kind then return failure.incomplete(request, answer) end
  local status = answer.status
  if status >= 400 then return failure.refused(request, answer) end
  if NO_REDIRECT[status] then
    return failure.invalid(request, answer, "bad_status", ("status %d is no answer to this request"):format(status))
  end
  if status >= 300 then
    return failure.invalid(request, answer, "redirect", "the service answered with a redirect, which is never followed")
  end
  if answer.bytes == 0 and (NO_CONTENT[status] or request.method == "HEAD") then
    return read_success(request, answer, {})
  end
  local body, found = decode(answer, request)
  if not body then return nil, found end
  return read_success(request, answer, body, found)
end

return response
