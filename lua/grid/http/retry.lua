-- Decides whether a call makes a further attempt, and when.
-- Owns: what may be repeated, and the delays.
-- Does not know: deadlines, and the meaning of an answer.

local outcome = require "grid.outcome"
local random = require "grid.random"

local retry = {}

local FIRST_DELAY, LONGEST_DELAY = 0.2, 5

local SAFE = { GET = true, HEAD = true, OPTIONS = true } -- RFC 9110 section 9.2.1

local function is_idempotent(request)
  if request.idempotent ~= nil then return request.idempotent end
  return SAFE[request.method] or false
end

-- A request error is not retried, since a further attempt would fail, too; the exception
-- is a lack of descriptors. A protocol error is not retried, since the service would send
-- the same answer.
local function may_repeat(request, err)
  if err.outcome == "none" then return err.kind ~= "request" or err.code == "no_descriptor" end
  return err.outcome == "unknown" and is_idempotent(request) and err.kind ~= "protocol"
end

--- May the request be repeated after an attempt that failed with `err`? nil: `judge` has
--- accepted an answer with an error status, such as 503.
function retry.is_possible(request, answer, err)
  if err then return may_repeat(request, err) end
  local attempt_outcome = outcome.of(answer.sent, answer.status)
  return attempt_outcome == "none" or attempt_outcome == "unknown" and is_idempotent(request)
end

-- A random delay between half of `delay` and `delay`, so that clients that failed
-- together do not retry together.
local function jittered(delay)
  return delay * (0.5 + random.unit() / 2)
end

--- Seconds until the next attempt of the call | nil: no further attempt
function retry.delay(call, retryable, retry_after)
  local again = call.request.again
  local requested = again and call.err and again(call.err)
  if requested then return requested end
  if not retryable or call.attempts > call.retries then return nil end
  if retry_after then return retry_after end
  return jittered(math.min(FIRST_DELAY * 2 ^ (call.attempts - 1), LONGEST_DELAY))
end

return retry
