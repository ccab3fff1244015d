-- Makes an error from an HTTP answer.
-- Owns: the forms of error bodies that the service documents. Each function returns nil,
-- error.
-- Pure: `answer` is a grid.http.Answer, `request` the grid.http.Request that was sent.
-- Does not know: attempts and connections.

local answers = require "grid.http.answer"
local errors = require "grid.errors"
local display = require "grid.display"
local json = require "grid.json"
local redact = require "grid.http.redact"
local request_id = require "grid.api.request_id"

local failure = {}

local function table_or_empty(value)
  return type(value) == "table" and value or {}
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

--- The error of an incomplete answer. If its status was received and is an error, that
--- status determines the outcome, and the broken connection is the cause.
function failure.incomplete(request, answer)
  local fields = {}
  if is_broken_off(answer) and (answer.status or 0) >= 400 then
    fields.cause = errors.new {
      kind = answer.kind, code = answer.code, message = answer.message, sent = answer.sent, status = answer.status,
    }
    fields.kind, fields.code = errors.kind_of_status(answer.status), "http_" .. answer.status
    fields.message = ("the service answered with status %d, and the answer broke off"):format(answer.status)
  end
  if answer.headers then fields.request_id = request_id.of(request, answer) end
  return nil, answers.error(answer, fields)
end

--- The error of a complete answer that is not valid.
function failure.invalid(request, answer, code, message, body, cause)
  return nil, answers.error(answer, {
    kind = "protocol", code = code, message = message, cause = cause, request_id = request_id.of(request, answer, body),
  })
end

--- The error of a complete answer that is not JSON.
function failure.unreadable(request, answer, code, message)
  local cause = errors.new { kind = "protocol", code = code, message = message, sent = answer.sent, status = answer.status }
  return failure.invalid(request, answer, code, "the answer cannot be read: " .. message, nil, cause)
end

local MAX_SHOWN = 1024 -- bytes of a text that are searched for secrets; one line shows less
local MAX_DETAILS = 16 * 1024 -- bytes of the longest answer whose details are searched for secrets

--- The error of an answer with an error status.
function failure.refused(request, answer)
  local body = json.decode_body(answer.content)
  local hidden = redact.new(request_id.secrets_of(request))
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
    request_id = request_id.of(request, answer, body),
  })
end

return failure
