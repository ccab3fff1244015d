-- Executes one request within one deadline, in one or more attempts.
-- Owns: the decision to start a further attempt, and its delay.
-- Does not know: how the program waits (the scheduler runs calls); the meaning of an
-- answer, which `judge` of the request decides.

local errors = require "grid.errors"
local events = require "grid.http.event"
local outcome = require "grid.outcome"
local random = require "grid.random"

local call = {}
local Call = { __index = call }

local FIRST_DELAY, LONGEST_DELAY = 0.2, 5
local SHORTEST_ATTEMPT = 0.1 -- seconds

--- The request of a call. method, url, headers and body are the arguments of
--- engine:start, and are the same in each attempt.
---@class grid.http.Request
---@field method string
---@field url string
---@field path string for events, which omit its query: a query may contain secrets
---@field headers (string|false)[] "Name: value"
---@field body? string
---@field not_after? number on core.boottime: later no attempt sends the request
---@field idempotent? boolean the request may be repeated after an unknown outcome; default: true for safe methods
---@field judge fun(answer: grid.http.Answer, request: grid.http.Request): any, grid.Error?
---@field idempotency_key? string the one in the headers; a field of events and errors
---@field again? fun(err: grid.Error): number? requests one more attempt: its delay in seconds
---@field timeout? number default: the option
---@field retries? integer default: the option
---@field detached? boolean

--- A call that has not started. The deadline is set when the first attempt starts.
---@param http grid.Http
---@param request grid.http.Request
function call.new(http, request)
  return setmetatable({
    http = http,
    request = request,
    timeout = request.timeout or http.options.timeout,
    retries = request.retries or http.options.retries,
    deadline = false,
    needed = 0, -- least seconds before the deadline to start a further attempt
    attempts = 0,
    scheduler = false, transfer = false, id = false, -- those of the attempt in flight
    res = nil, err = nil, -- set when the call has ended
  }, Call)
end

-- Errors that the handler raises are discarded: they must not replace the answer.
local function emit(self, name, fields)
  local request = self.request
  fields.name, fields.method, fields.path = name, request.method, request.path:match "^[^?]*"
  fields.attempt, fields.idempotency_key = self.attempts, request.idempotency_key
  if fields.abandoned then events.new(fields, self.res, self.err) end
  pcall(self.http.options.on_event, fields)
end

--- Stores the error of the last attempt, or of a call that ends between two attempts.
function call:fail(err)
  err.attempts, err.idempotency_key = self.attempts, self.request.idempotency_key
  if self.err then errors.add_earlier(err, self.err) end
  self.res, self.err = nil, err
end

--- Starts an attempt. -> transfer, id | nil: the call has ended with `self.res` or
--- `self.err`
function call:start(engine, now)
  if self.attempts > 0 and self.deadline - now < self.needed then return nil end
  local http, request = self.http, self.request
  self.attempts = self.attempts + 1
  self.deadline = self.deadline or now + self.timeout
  local timeout = math.max(self.deadline - now, 0.001)
  if http.options.on_event then emit(self, "request", { bytes = request.body and #request.body or 0 }) end
  if http.closed then return self:give_up(errors.cancelled "no") end
  local transfer, id, code, message =
    engine:start(request, http.settings, timeout, math.min(http.options.connect_timeout, timeout))
  if transfer then return transfer, id end
  if code == "forked" then return self:give_up(errors.forked()) end -- by the handler; the call continues in the parent
  self:give_up(errors.from_core(id, code, message))
end

--- Stores the transfer of the attempt, which is in flight in this scheduler.
function call:set_transfer(scheduler, transfer, id)
  self.scheduler, self.transfer, self.id = scheduler, transfer, id
end

--- `sent` of an attempt that is cancelled in flight. "no": the request was not executed
function call:sent_so_far()
  return self.transfer:sent() == "no" and "no" or "unknown"
end

local SAFE = { GET = true, HEAD = true, OPTIONS = true } -- RFC 9110 section 9.2.1

local function is_idempotent(request)
  if request.idempotent ~= nil then return request.idempotent end
  return SAFE[request.method] or false
end

-- A request error is not retried, since a further attempt would fail, too; the exception
-- is a lack of descriptors. A protocol error is not retried, since the service would send
-- the same answer.
local function may_repeat(self, err)
  if err.outcome == "none" then return err.kind ~= "request" or err.code == "no_descriptor" end
  return err.outcome == "unknown" and is_idempotent(self.request) and err.kind ~= "protocol"
end

-- `judge` may accept an answer with an error status. Such a call is retried as well, for
-- example after 503.
local function is_retryable(self, answer, err)
  if err then return may_repeat(self, err) end
  if answer.status < 400 then return false end
  local attempt_outcome = outcome.of(answer.sent, answer.status)
  return attempt_outcome == "none" or attempt_outcome == "unknown" and is_idempotent(self.request)
end

-- A random delay between half of `delay` and `delay`, so that clients that failed
-- together do not retry together.
local function jittered(delay)
  return delay * (0.5 + random.unit() / 2)
end

-- Seconds until the next attempt | nil: no further attempt
local function delay_before_next(self, retryable, retry_after)
  local again = self.request.again
  local requested = again and self.err and again(self.err)
  if requested then return requested end
  if not retryable or self.attempts > self.retries then return nil end
  if retry_after then return retry_after end
  return jittered(math.min(FIRST_DELAY * 2 ^ (self.attempts - 1), LONGEST_DELAY))
end

local function emit_response(self, answer)
  local result = self.err or self.res
  emit(self, "response", {
    status = answer.status,
    bytes = answer.bytes,
    seconds = answer.seconds,
    connect_seconds = answer.connect_seconds,
    request_id = result.request_id,
    kind = self.err and self.err.kind,
    code = self.err and self.err.code,
    abandoned = self.scheduler and self.scheduler:has_no_waiter() or nil,
  })
end

--- Ends the call during an attempt.
function call:give_up(err)
  self:fail(err)
  if self.http.options.on_event then emit_response(self, {}) end
end

--- Reads the answer of an attempt. -> the time of the next attempt | nil: the call has
--- ended with `self.res` or `self.err`
function call:conclude(now)
  local answer = self.transfer:answer()
  answer.attempts = self.attempts
  local expected = self.http:note_times(answer)
  local res, err = self.request.judge(answer, self.request)
  local retryable = is_retryable(self, answer, err)
  if res then
    self.res, self.err = res, nil
  else
    self:fail(err)
    err.retryable = retryable
  end
  local on_event = self.http.options.on_event
  if on_event then emit_response(self, answer) end
  if res and not retryable then return nil end
  -- No further attempt starts unless the time left suffices for a connection and an
  -- answer: an attempt that ends at the deadline has an unknown outcome, and that of the
  -- refusal is known.
  self.needed = math.max(SHORTEST_ATTEMPT, expected)
  local delay = not self.scheduler.is_abandoned and delay_before_next(self, retryable, answer.retry_after)
  if not delay or self.deadline - (now + delay) < self.needed then return nil end
  if on_event then
    emit(self, "retry", { delay = delay, kind = err and err.kind, code = err and err.code, status = answer.status })
  end
  return now + delay
end

return call
