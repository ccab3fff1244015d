-- Executes one request within one deadline, in one or more attempts.
-- Owns: the deadline, and the result of the attempts.
-- Does not know: how the program waits (the scheduler runs calls); the meaning of an
-- answer, which `judge` of the request decides; what may be repeated.

local errors = require "grid.errors"
local lazy = require "grid.lazy"
local retry = require "grid.http.retry"

local events = lazy "grid.http.event"

local call = {}
local Call = { __index = call }

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
  if http.options.on_event then events.emit(self, "request", { bytes = request.body and #request.body or 0 }) end
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

--- Ends the call during an attempt.
function call:give_up(err)
  self:fail(err)
  if self.http.options.on_event then events.emit_response(self, {}) end
end

--- Reads the answer of an attempt. -> the time of the next attempt | nil: the call has
--- ended with `self.res` or `self.err`
function call:conclude(now)
  local answer = self.transfer:answer()
  answer.attempts = self.attempts
  local expected = self.http:note_times(answer)
  local res, err = self.request.judge(answer, self.request)
  local retryable = (err or answer.status >= 400) and retry.is_possible(self.request, answer, err) or false
  if res then
    self.res, self.err = res, nil
  else
    self:fail(err)
    err.retryable = retryable
  end
  local on_event = self.http.options.on_event
  if on_event then events.emit_response(self, answer) end
  if res and not retryable then return nil end
  -- No further attempt starts unless the time left suffices for a connection and an
  -- answer: an attempt that ends at the deadline has an unknown outcome, and that of the
  -- refusal is known.
  self.needed = math.max(SHORTEST_ATTEMPT, expected)
  local delay = not self.scheduler.is_abandoned and retry.delay(self, retryable, answer.retry_after)
  if not delay or self.deadline - (now + delay) < self.needed then return nil end
  if on_event then
    events.emit(self, "retry", { delay = delay, kind = err and err.kind, code = err and err.code, status = answer.status })
  end
  return now + delay
end

return call
