-- Makes a result or an error from an HTTP answer.
-- Owns: the forms of success and error bodies that the service documents.
-- Pure: `answer` is a grid.http.Answer, `request` the grid.http.Request that was sent.
-- Does not know: attempts and connections.

local answers = require "grid.http.answer"
local errors = require "grid.errors"
local display = require "grid.display"
local json = require "grid.json"
local redact = require "grid.http.redact"
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

-- The parts of a request that must not be shown.
local function secrets_of(request)
  return request.api_key, request.body or "", request.cookie or ""
end

-- A service may copy parts of the request into the id, so secrets are removed.
local function request_id_of(request, answer, body)
  body = table_or_empty(body)
  local id = display.seen(answer.headers["x-request-id"])
    or display.seen(table_or_empty(body.metadata).request_id)
    or display.seen(body.request_id)
  id = id and redact.strike(id, secrets_of(request))
  return id and display.one_line(id)
end

-- {"error": {code, message, details}}, {message, details: [{code, …}]}, {"error":
-- "text"}, plain text, HTML, nothing.
local function read_error_body(body)
  body = table_or_empty(body)
  local nested = table_or_empty(body.error)
  local details = type(nested.details) == "table" and nested.details or body.details
  local first = table_or_empty(table_or_empty(details)[1])
  return {
    code = display.seen(nested.code) or display.seen(first.code) or display.seen(body.code),
    message = display.seen(nested.message) or display.seen(body.message) or display.seen(body.error)
      or display.seen(first.message),
    details = type(details) == "table" and details or nil,
  }
end

-- Is the rest of the answer missing or invalid, as after a broken chunk?
local function is_broken_off(answer)
  return answer.kind == "network" or answer.kind == "timeout" or answer.code == "bad_http"
end

-- The error of an incomplete answer. If its status was received and is an error, that
-- status determines the outcome, and the broken connection is the cause.
local function failure(answer, request)
  local fields = {}
  if is_broken_off(answer) and (answer.status or 0) >= 400 then
    fields.cause = errors.new {
      kind = answer.kind, code = answer.code, message = answer.message, sent = answer.sent, status = answer.status,
    }
    fields.kind, fields.code = errors.kind_of_status(answer.status), "http_" .. answer.status
    fields.message = ("the service answered with status %d, and the answer broke off"):format(answer.status)
  end
  if answer.headers then fields.request_id = request_id_of(request, answer) end
  return answers.error(answer, fields)
end

-- A complete answer that is not valid.
local function invalid(request, answer, code, message, body, cause)
  return nil, answers.error(answer, {
    kind = "protocol", code = code, message = message, cause = cause, request_id = request_id_of(request, answer, body),
  })
end

local MAX_SHOWN = 1024 -- bytes of a text that are searched for secrets; one line shows less
local MAX_DETAILS = 16 * 1024 -- bytes of the longest answer whose details are searched for secrets

local function api_error(request, answer)
  local body = json.decode_body(answer.content)
  local hidden = redact.new(secrets_of(request))
  local parsed = hidden and read_error_body(body) or {}
  local function shown(text, default)
    return text and display.one_line(hidden:beginning(text, MAX_SHOWN)) or default
  end
  local has_details = parsed.details and answer.bytes <= MAX_DETAILS
  return nil, answers.error(answer, {
    kind = errors.kind_of_status(answer.status),
    code = parsed.code and display.one_line(hidden:name(parsed.code:sub(1, MAX_SHOWN))) or "http_" .. answer.status,
    message = shown(parsed.message, "the service answered with status " .. answer.status),
    details = has_details and hidden:harmless(parsed.details) or nil,
    request_id = request_id_of(request, answer, body),
  })
end

-- The session in the answer's data, decoded and as bytes. The operation's check has
-- accepted it. `found`: its bytes, if the answer is wrapped in `data`.
local function session_of(answer, operation, data, found)
  local steps = operation.session_at
  if not steps then return nil end
  local payload = data
  for _, step in ipairs(steps) do payload = payload[step] end
  return payload, found or select(2, json.decode_body(answer.content, unpack(steps)))
end

-- `found`: the bytes at the path "data" and then `session_at` of the operation | nil
local function read_success(request, answer, body, found)
  local operation = request.operation
  local wrapped = body.data ~= nil
  local data = body
  if wrapped then data = body.data end
  local problem = operation.check and operation.check(data)
  if problem then return invalid(request, answer, "bad_answer", problem, body) end
  local payload, bytes = session_of(answer, operation, data, found)
  local res = setmetatable({
    data = data,
    metadata = wrapped and table_or_empty(body.metadata) or {},
    kms_payload_json = payload and session.to_store(bytes, payload, operation.session_sent),
    expires_at = payload and session.expires_at(payload),
    status = answer.status,
    request_id = request_id_of(request, answer, body),
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
    return invalid(request, answer, "bad_answer", "the answer is neither a JSON object nor a list")
  end
  local cause = errors.new { kind = "protocol", code = code, message = message, sent = answer.sent, status = answer.status }
  return invalid(request, answer, code, "the answer cannot be read: " .. message, nil, cause)
end

--- Judges the answer to `request`. -> grid.Result | nil, grid.Error
function response.judge(answer, request)
  if answer.kind then return nil, failure(answer, request) end
  local status = answer.status
  if status >= 400 then return api_error(request, answer) end
  if NO_REDIRECT[status] then
    return invalid(request, answer, "bad_status", ("status %d is no answer to this request"):format(status))
  end
  if status >= 300 then
    return invalid(request, answer, "redirect", "the service answered with a redirect, which is never followed")
  end
  if answer.bytes == 0 and (NO_CONTENT[status] or request.method == "HEAD") then
    return read_success(request, answer, {})
  end
  local body, found = decode(answer, request)
  if not body then return nil, found end
  return read_success(request, answer, body, found)
end

return response
