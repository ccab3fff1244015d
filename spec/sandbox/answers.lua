-- Makes answers: the success wrapping and the three documented error bodies. An answer is
-- a plain table `{status, body, content_type, request_id, headers}`; who sends it, and
-- how badly, is decided elsewhere.
-- Does not know: endpoints, faults.

local bytes = require "sandbox.bytes"
local json = require "sandbox.json"
local settings = require "sandbox.settings"

local answers = {}

--- RFC 3339 in UTC, milliseconds included, of a time in seconds.
function answers.timestamp(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", seconds - seconds % 1) .. string.format(".%03dZ", seconds % 1 * 1000)
end

---@param body string JSON text
function answers.success(body)
  return { status = 200, body = body, content_type = "application/json", request_id = bytes.uuid(), headers = {} }
end

--- The answer around `data`, as most endpoints give it.
function answers.wrapped(data)
  local answer = answers.success("")
  answer.body = '{"data":' .. data .. ',"metadata":{"request_id":"' .. answer.request_id
    .. '","timestamp":"' .. answers.timestamp(ngx.now()) .. '"}}'
  return answer
end

local shapes = {}

function shapes.flat(failure, request_id)
  return {
    message = failure.message,
    details = json.array(failure.details or { { code = failure.code, message = failure.message } }),
    timestamp = answers.timestamp(ngx.now()), request_id = request_id,
  }
end

function shapes.nested(failure, request_id)
  return {
    error = { code = failure.code, message = failure.message, details = json.array(failure.details) },
    metadata = { request_id = request_id, timestamp = answers.timestamp(ngx.now()) },
  }
end

function shapes.upstream(failure)
  return { error = failure.message }
end

--- RFC 6749 section 5.2.
function shapes.oauth(failure)
  return { error = failure.code, error_description = failure.message }
end

---@param failure {status: integer, code: string, message: string, details: table[]|nil}
---@param shape string|nil  flat, nested, upstream, oauth; else as the settings say
function answers.failure(failure, shape)
  local answer = answers.success("")
  answer.status = failure.status
  answer.body = json.encode(shapes[shape or settings.current.error_shape](failure, answer.request_id))
  return answer
end

--- A request that is refused for the reasons in `problems`: `{field, code, message}`
--- each.
function answers.invalid(problems)
  return answers.failure { status = 400, code = "validation_error", message = "Validation failed", details = problems }
end

return answers
