-- Builds error values: tables that describe why a call failed.
-- Owns: the fields of an error, its text, and the raw body and cookies of its answer,
-- which `pairs` does not list.
-- Does not know: the causes of a failure.

local core = require "grid.core"
local display = require "grid.display"
local outcome = require "grid.outcome"

local errors = {}

---@class (exact) grid.Error
---@field kind "request"|"network"|"timeout"|"tls"|"api"|"auth"|"rate_limit"|"retired"|"protocol"|"crypto"|"store"|"cancelled"
---@field code string stable machine name: the API's own, else ours
---@field message string one line, without secrets
---@field outcome grid.Outcome the effect of the call; see grid.outcome
---@field sent "no"|"yes"|"unknown" was the request executed? "yes": it was answered
---@field retryable boolean the same call may be repeated unchanged
---@field status integer? HTTP status, if an answer was received
---@field request_id string?
---@field details table? of the answer
---@field headers table<string, string>? lower-case name to value
---@field retry_after integer? seconds, 0 to a year
---@field attempts integer? attempts in total
---@field idempotency_key string? as sent
---@field cause grid.Error? of an invalid answer: the decoder's; of a call cancelled between two attempts: that of the last attempt
---@field body string? the raw bytes of the answer that were received; not listed by pairs
---@field cookies string[]? the Set-Cookie values of the answer; not listed by pairs
local Error = { __name = "grid.error" }

local hidden = setmetatable({}, { __mode = "k" })

function Error:__index(name)
  if name == "body" or name == "cookies" then return hidden[self] and hidden[self][name] end
end

function Error:__tostring()
  local parts = { "grid: ", self.kind, " error" }
  if self.status then parts[#parts + 1] = (", status %d"):format(self.status) end
  parts[#parts + 1] = (" (%s): %s"):format(self.code, self.message)
  if self.outcome == "unknown" then parts[#parts + 1] = "; it is unknown whether the request was executed" end
  if self.request_id then parts[#parts + 1] = (" [request %s]"):format(self.request_id) end
  return table.concat(parts)
end

function Error.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local SHOWN = { "code", "message", "request_id" } -- may contain text of a service

--- Makes `fields` an error. `body` and `cookies` of the optional `answer` can be read by
--- name, and are not listed by `pairs`.
function errors.new(fields, answer)
  fields.sent = fields.sent or "no"
  fields.outcome = outcome.of(fields.sent, fields.status)
  fields.retryable = fields.retryable or false
  for _, name in ipairs(SHOWN) do fields[name] = fields[name] and core.visible(fields[name]) end
  hidden[fields] = answer
  return setmetatable(fields, Error)
end

local STATUS_KINDS = { [401] = "auth", [403] = "auth", [410] = "retired", [429] = "rate_limit" }

--- The kind of the error of a service that answered with this status.
function errors.kind_of_status(status)
  return STATUS_KINDS[status] or "api"
end

--- The error of a call that ends before its first attempt.
function errors.untried(err)
  err.attempts = 0
  return err
end

--- The error of the three values that grid.core returns on failure.
function errors.from_core(kind, code, message)
  return errors.new { kind = kind, code = code, message = message }
end

--- The result of a function of grid.core. -> value | nil, error
function errors.core_result(value, kind, code, message)
  if not value then return nil, errors.from_core(kind, code, message) end
  return value
end

--- Combines the error of a call's last attempt with `earlier`, the error of the previous
--- attempt, which includes the attempts before.
function errors.add_earlier(err, earlier)
  local is_doubtful, is_cancelled = earlier.outcome == "unknown", err.kind == "cancelled"
  err.outcome = outcome.of(err.sent, err.status, earlier.outcome)
  if err.sent == "no" and (is_doubtful or is_cancelled) then err.sent = earlier.sent end
  if is_doubtful or is_cancelled then err.cause = err.cause or earlier end
end

--- The error of a call whose client was closed. `sent`: that of the attempt in flight;
--- "no": none is in flight
function errors.cancelled(sent)
  return errors.new { kind = "cancelled", code = "client_closed", message = "the client was closed", sent = sent }
end

--- The error, in the child, of a call in flight when the process forks. The parent
--- continues the call.
function errors.forked()
  return errors.new {
    kind = "cancelled", code = "forked", sent = "unknown",
    message = "the process forked: the call ends in this child, and continues in the parent",
  }
end

--- The error of a call whose coroutine was closed, or whose request nginx has ended.
function errors.abandoned(sent)
  return errors.new {
    kind = "cancelled", code = "abandoned", sent = sent,
    message = "the coroutine that waited for the call was closed, or nginx ended its request",
  }
end

--- The error of a call whose answer was received, if an error is raised while it is read.
function errors.not_read(problem)
  return errors.new {
    kind = "protocol", code = "not_read", sent = "yes",
    message = "the answer was not read: " .. display.one_line(tostring(problem)),
  }
end

--- Is `value` an error of this library, and of that kind if one is given?
function errors.is_error(value, kind)
  return getmetatable(value) == Error and (kind == nil or value.kind == kind)
end

return errors
