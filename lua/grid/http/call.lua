-- A call: one idempotency key, one exact body, one deadline, and the tries it takes.
-- Owns: the decision to try again, and when. Knows nothing of waiting: a flight carries it.

local core = require "grid.core"
local errors = require "grid.errors"
local events = require "grid.http.event"
local result = require "grid.api.response"

local call = {}
local Call = { __index = call }

local WITH_KEY = { POST = true, PUT = true, PATCH = true }
local REPEATABLE = { GET = true, HEAD = true }

local FIRST_DELAY, LONGEST_DELAY = 0.2, 5
local SHORTEST_TRY = 0.1 -- seconds

-- What a client sends with each call, put together once.
local function constant_headers(client)
  client.constant_headers = client.constant_headers or {
    authorization = "Authorization: Bearer " .. client.options.api_key,
    user_agent = "User-Agent: " .. client.options.user_agent,
    environment = "x-grid-environment: " .. client.options.environment,
  }
  return client.constant_headers
end

local function headers_of(client, plan, key, cookie)
  local constant = constant_headers(client)
  return {
    "Accept: application/json", constant.authorization, constant.user_agent, constant.environment,
    plan.body and "Content-Type: application/json" or false,
    key and "x-idempotency-key: " .. key or false,
    cookie and "Cookie: " .. cookie or false,
  }
end

local function exchange_of(client, plan, headers)
  local options = client.options
  return {
    method = plan.method,
    url = client.endpoint .. plan.path,
    headers = headers,
    body = plan.body,
    timeout = options.timeout, -- of each try: what is left
    connect_timeout = options.connect_timeout,
    max_response_bytes = options.max_response_bytes,
    ca_file = options.ca_file,
    proxy = options.proxy,
    http1_only = options.http_version == "1.1",
    insecure_skip_tls_verify = options.insecure_skip_tls_verify,
  }
end

local function refuse(code, message)
  return nil, errors.new { kind = "request", code = code, message = message }
end

--- A call that is ready to go | nil, error. Its time begins with its first try.
function call.new(client, plan, options)
  if (client.options.api_key or "") == "" then
    return refuse("no_api_key", "no API key: give api_key, or set GRID_API_KEY")
  end
  local key = options.idempotency_key
  if key and not key:find("^[%w_-]+$") then
    return refuse("bad_idempotency_key", "an idempotency key holds letters, digits, '-' and '_' only")
  end
  if not key and WITH_KEY[plan.method] then key = core.uuid() end
  return setmetatable({
    client = client,
    plan = plan,
    idempotency_key = key,
    cookie = options.cookie,
    exchange = exchange_of(client, plan, headers_of(client, plan, key, options.cookie)),
    timeout = options.timeout or client.options.timeout,
    deadline = false,
    needed = 0, -- seconds that a further try must have left
    attempts = 0,
    flight = false, transfer = false, id = false, -- of the try that is in the air
    res = nil, err = nil, -- once it is over
  }, Call)
end

-- What a handler does wrong must not cost the caller an answer.
function call:tell(name, fields)
  fields.name, fields.method = name, self.plan.method
  fields.path = self.plan.path:match "^[^?]*" -- what is in a query may be nobody else's business
  fields.attempt, fields.idempotency_key = self.attempts, self.idempotency_key
  if fields.abandoned then events.new(fields, self.res, self.err) end
  pcall(self.client.options.on_event, fields)
end

--- What of a call holds secrets, for grid.secrets.
function call:secrets()
  return self.client.options.api_key, self.plan.body or "", self.cookie or ""
end

--- The last try so far has failed, or the call has ended between two tries.
function call:fail(err)
  err.attempts, err.idempotency_key = self.attempts, self.idempotency_key
  if self.err then errors.add_earlier(err, self.err) end
  self.err = err
end

--- Begins a try. -> transfer, id; or nil, and the call is over with `self.err`.
function call:start(engine, now)
  if self.err and self.deadline - now < self.needed then return nil end
  local exchange = self.exchange
  self.attempts = self.attempts + 1
  self.deadline = self.deadline or now + self.timeout
  exchange.timeout = math.max(self.deadline - now, 0.001)
  exchange.connect_timeout = math.min(self.client.options.connect_timeout, exchange.timeout)
  if self.client.options.on_event then self:tell("request", { bytes = exchange.body and #exchange.body or 0 }) end
  if self.client.closed then return self:give_up(errors.cancelled "no") end
  local transfer, id, code, message = engine:start(exchange)
  if transfer then return transfer, id end
  self:give_up(errors.from_core(id, code, message))
end

--- Of a try that is given up in the air: "no" if it was certainly not executed.
function call:sent_so_far()
  return self.transfer:sent() == "no" and "no" or "unknown"
end

-- What cannot be sent as asked cannot be sent the next time either, but a descriptor may be free
-- then. A request that only reads may also be repeated after an unknown outcome; an answer that
-- makes no sense will make none the next time.
local function may_repeat(self, err)
  if err.outcome == "none" then return err.kind ~= "request" or err.code == "no_descriptor" end
  return err.outcome == "unknown" and REPEATABLE[self.plan.method] == true and err.kind ~= "protocol"
end

-- Between half of the delay and all of it, so that many clients do not come back together.
local function jittered(delay)
  local fraction = tonumber(core.uuid():sub(1, 8), 16) / 2 ^ 32
  return delay * (0.5 + fraction / 2)
end

-- Seconds, or nil: this was the last try.
local function delay_before_next(self, err)
  local asked = self.plan.again and self.plan.again(err)
  if asked then return asked end
  if not err.retryable or self.attempts > self.client.options.retries then return nil end
  if err.retry_after then return err.retry_after end
  return jittered(math.min(FIRST_DELAY * 2 ^ (self.attempts - 1), LONGEST_DELAY))
end

function call:tell_response(answer)
  local outcome = self.res or self.err
  local fields = {
    status = answer.status,
    bytes = answer.bytes,
    seconds = answer.seconds,
    connect_seconds = answer.connect_seconds,
    request_id = outcome.request_id,
    kind = self.err and self.err.kind,
    code = self.err and self.err.code,
  }
  fields.abandoned = self.flight and self.flight.is_abandoned or nil
  self:tell("response", fields)
end

--- The call is over, in the middle of a try.
function call:give_up(err)
  self:fail(err)
  if self.client.options.on_event then self:tell_response {} end
end

-- -> seconds that a connection and an answer have taken last on this client; 0 before the first answer
local function note_times(client, answer)
  if answer.connect_seconds > 0 then client.connect_seconds = answer.connect_seconds end
  if answer.status then client.answer_seconds = answer.seconds - answer.connect_seconds end
  return client.answer_seconds and client.answer_seconds + (client.connect_seconds or 0) or 0
end

--- Reads the answer of a try. -> nothing: the call is over, with `self.res` or `self.err`; or the time of the next try.
function call:conclude(now)
  local answer = self.transfer:answer()
  local expected = note_times(self.client, answer)
  local res, err
  if answer.kind then
    err = result.failure(self, answer)
  else
    res, err = result.read(self, answer)
  end
  if res then self.res, self.err = res, nil else self:fail(err) end
  if self.client.options.on_event then self:tell_response(answer) end
  if res then return end
  -- A try that the deadline cuts off turns a clear refusal into an unknown outcome: it needs time for a connection and an answer.
  self.needed = math.max(SHORTEST_TRY, expected)
  err.retryable = may_repeat(self, err)
  local delay = not self.flight.is_abandoned and delay_before_next(self, err)
  if not delay or self.deadline - (now + delay) < self.needed then return end
  if self.client.options.on_event then
    self:tell("retry", { delay = delay, kind = err.kind, code = err.code, status = err.status })
  end
  return now + delay
end

return call
