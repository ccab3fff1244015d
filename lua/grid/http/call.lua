-- A call: one exact request, one deadline, and the tries that it takes.
-- Owns: the decision to try again, and when.
-- Does not know: how the program waits (the scheduler carries a call), and what an answer
-- means (`judge` of the request tells).

local core = require "grid.core"
local errors = require "grid.errors"
local events = require "grid.http.event"
local outcome = require "grid.outcome"

local call = {}
local Call = { __index = call }

local FIRST_DELAY, LONGEST_DELAY = 0.2, 5
local SHORTEST_TRY = 0.1 -- seconds

--- What is sent: method, url, headers and body as engine:start takes them. The same in
--- each try.
---@class grid.http.Request
---@field method string
---@field url string
---@field path string for events, which leave out its query: that may hold secrets
---@field headers (string|false)[] "Name: value"
---@field body? string
---@field idempotent boolean it may be repeated after an unknown outcome
---@field judge fun(answer: grid.http.Answer, request: grid.http.Request): any, grid.Error?
---@field idempotency_key? string that the headers carry: events and errors name it
---@field again? fun(err: grid.Error): number? may ask for one more try: the delay in seconds
---@field timeout? number default the option
---@field retries? integer default the option
---@field detached? boolean

--- A call that is ready to go. Its time begins with its first try.
---@param http grid.Http
---@param request grid.http.Request
function call.new(http, request)
  return setmetatable({
    http = http,
    request = request,
    timeout = request.timeout or http.options.timeout,
    retries = request.retries or http.options.retries,
    deadline = false,
    needed = 0, -- seconds that a further try must have left
    attempts = 0,
    scheduler = false, transfer = false, id = false, -- of the try in flight
    res = nil, err = nil, -- once it is over
  }, Call)
end

-- An error that a handler raises must not cost the caller an answer.
local function tell(self, name, fields)
  local request = self.request
  fields.name, fields.method, fields.path = name, request.method, request.path:match "^[^?]*"
  fields.attempt, fields.idempotency_key = self.attempts, request.idempotency_key
  if fields.abandoned then events.new(fields, self.res, self.err) end
  pcall(self.http.options.on_event, fields)
end

--- The last try so far has failed, or the call has ended between two tries.
function call:fail(err)
  err.attempts, err.idempotency_key = self.attempts, self.request.idempotency_key
  if self.err then errors.add_earlier(err, self.err) end
  self.res, self.err = nil, err
end

--- Begins a try. -> transfer, id; or nil, and the call is over with `self.res` or
--- `self.err`.
function call:start(engine, now)
  if self.attempts > 0 and self.deadline - now < self.needed then return nil end
  local http, request = self.http, self.request
  self.attempts = self.attempts + 1
  self.deadline = self.deadline or now + self.timeout
  local timeout = math.max(self.deadline - now, 0.001)
  if http.options.on_event then tell(self, "request", { bytes = request.body and #request.body or 0 }) end
  if http.closed then return self:give_up(errors.cancelled "no") end
  local transfer, id, code, message =
    engine:start(request, http.settings, timeout, math.min(http.options.connect_timeout, timeout))
  if transfer then return transfer, id end
  self:give_up(errors.from_core(id, code, message))
end

--- Its try is in flight, and belongs to that scheduler.
function call:fly(scheduler, transfer, id)
  self.scheduler, self.transfer, self.id = scheduler, transfer, id
end

--- Of a try that is given up in flight: "no" if it was certainly not executed.
function call:sent_so_far()
  return self.transfer:sent() == "no" and "no" or "unknown"
end

-- A request that cannot be sent as asked cannot be sent the next time either, but a
-- descriptor may be free then. An answer that makes no sense will make none the next
-- time.
local function may_repeat(self, err)
  if err.outcome == "none" then return err.kind ~= "request" or err.code == "no_descriptor" end
  return err.outcome == "unknown" and self.request.idempotent and err.kind ~= "protocol"
end

-- An answer that `judge` takes may still be a refusal that a further try can change, as
-- of 503.
local function is_retryable(self, answer, err)
  if err then return may_repeat(self, err) end
  if answer.status < 400 then return false end
  local became = outcome.of(answer.sent, answer.status)
  return became == "none" or became == "unknown" and self.request.idempotent
end

-- Between half of the delay and all of it, so that many clients do not come back
-- together.
local function jittered(delay)
  local fraction = tonumber(core.uuid():sub(1, 8), 16) / 2 ^ 32
  return delay * (0.5 + fraction / 2)
end

-- Seconds, or nil: this was the last try.
local function delay_before_next(self, retryable, retry_after)
  local again = self.request.again
  local asked = again and self.err and again(self.err)
  if asked then return asked end
  if not retryable or self.attempts > self.retries then return nil end
  if retry_after then return retry_after end
  return jittered(math.min(FIRST_DELAY * 2 ^ (self.attempts - 1), LONGEST_DELAY))
end

local function tell_response(self, answer)
  local ended = self.err or self.res
  tell(self, "response", {
    status = answer.status,
    bytes = answer.bytes,
    seconds = answer.seconds,
    connect_seconds = answer.connect_seconds,
    request_id = ended.request_id,
    kind = self.err and self.err.kind,
    code = self.err and self.err.code,
    abandoned = self.scheduler and self.scheduler:has_no_waiter() or nil,
  })
end

--- The call is over, in the middle of a try.
function call:give_up(err)
  self:fail(err)
  if self.http.options.on_event then tell_response(self, {}) end
end

--- Reads the answer of a try. -> nothing: the call is over, with `self.res` or
--- `self.err`; or the time of the next try.
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
  if on_event then tell_response(self, answer) end
  if res and not retryable then return nil end
  -- A try that the deadline cuts off turns a clear refusal into an unknown outcome: it
  -- needs time for a connection and an answer.
  self.needed = math.max(SHORTEST_TRY, expected)
  local delay = not self.scheduler.is_abandoned and delay_before_next(self, retryable, answer.retry_after)
  if not delay or self.deadline - (now + delay) < self.needed then return nil end
  if on_event then
    tell(self, "retry", { delay = delay, kind = err and err.kind, code = err and err.code, status = answer.status })
  end
  return now + delay
end

return call
