-- Errors as values: a call that failed for a reason outside of the program, as a table.
-- Owns: the form of an error, its line of text, and the raw body and cookies of its
-- answer, which no dump of the table shows.
-- Does not know: how a call fails.

local core = require "grid.core"
local display = require "grid.display"
local outcome = require "grid.outcome"

local errors = {}

---@class (exact) grid.Error
---@field kind "request"|"network"|"timeout"|"tls"|"api"|"auth"|"rate_limit"|"retired"|"protocol"|"crypto"|"store"|"cancelled"
---@field code string stable machine name: the API's own, else ours
---@field message string one line, without secrets
---@field outcome grid.Outcome what became of the call; see grid.outcome
---@field sent "no"|"yes"|"unknown" was the request executed? "yes": it was answered
---@field retryable boolean the same call may be made again as it is
---@field status integer? HTTP status, when an answer came
---@field request_id string?
---@field details table? as the API gave them
---@field headers table<string, string>? lower-case name to value
---@field retry_after integer? seconds, 0 to a year
---@field attempts integer? tries that were made
---@field idempotency_key string? as sent
---@field cause grid.Error? of a broken answer: its reader's; of a call cancelled between two tries: the last one's
---@field body string? the raw bytes of the answer, as far as they came; not shown by pairs
---@field cookies string[]? the Set-Cookie values of the answer; not shown by pairs
local Error = { __name = "grid.error" }

local aside = setmetatable({}, { __mode = "k" })

function Error:__index(name)
  if name == "body" or name == "cookies" then return aside[self] and aside[self][name] end
end

function Error:__tostring()
  local parts = { "grid: ", self.kind, " error" }
  if self.status then parts[#parts + 1] = (", status %d"):format(self.status) end
  parts[#parts + 1] = (" (%s): %s"):format(self.code, self.message)
  if self.outcome == "unknown" then parts[#parts + 1] = "; whether it was executed is unknown" end
  if self.request_id then parts[#parts + 1] = (" [request %s]"):format(self.request_id) end
  return table.concat(parts)
end

function Error.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local SHOWN = { "code", "message", "request_id" } -- may hold words of a service

--- Makes an error of the table itself. `body` and `cookies` of `answer`, if there is one,
--- can be read, and are not shown.
function errors.new(fields, answer)
  fields.sent = fields.sent or "no"
  fields.outcome = outcome.of(fields.sent, fields.status)
  fields.retryable = fields.retryable or false
  for _, name in ipairs(SHOWN) do fields[name] = fields[name] and core.visible(fields[name]) end
  aside[fields] = answer
  return setmetatable(fields, Error)
end

--- The three values with which grid.core reports a failure.
function errors.from_core(kind, code, message)
  return errors.new { kind = kind, code = code, message = message }
end

--- Adds to the error of a call's last try the outcome of the tries before it. `earlier`
--- is the error of the last of those.
function errors.add_earlier(err, earlier)
  local is_doubtful, is_cancelled = earlier.outcome == "unknown", err.kind == "cancelled"
  err.outcome = outcome.of(err.sent, err.status, earlier.outcome)
  if err.sent == "no" and (is_doubtful or is_cancelled) then err.sent = earlier.sent end
  if is_doubtful or is_cancelled then err.cause = err.cause or earlier end
end

--- For a call whose client was closed. `sent` is that of the try in flight; "no": there
--- is none
function errors.cancelled(sent)
  return errors.new { kind = "cancelled", code = "client_closed", message = "the client was closed", sent = sent }
end

--- For a call in flight when its process forks, in the child. The parent continues it.
function errors.forked()
  return errors.new {
    kind = "cancelled", code = "forked", sent = "unknown",
    message = "the process forked: the call goes on in the parent, and ends here",
  }
end

--- For a call whose coroutine was closed, or whose request nginx has ended.
function errors.abandoned(sent)
  return errors.new {
    kind = "cancelled", code = "abandoned", message = "the coroutine that waited for the call is gone", sent = sent,
  }
end

--- For a call whose answer arrived, and whose reading raised an error.
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
