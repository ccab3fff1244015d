-- The intent of a refresh, which the store holds before the refresh token is sent, and
-- the rules for sending the request again. Pure.
-- Owns: idempotency keys, attempts, and when a replay is safe.
-- Does not know: the rest of a record, stores, how the request is written.

local owner = require "grid.keeper.owner"
local timing = require "grid.keeper.timing"

local intent = {}

-- The fields of an intent:
--   key         idempotency key; one for each parent generation, see intent.next_key
--   keys        number of keys that the intent has had
--   grant       texts: the parameters of the request, the same bytes in each attempt
--   opener      private key that opens the answer | nil
--   parent      generation whose refresh token is sent
--   first_sent  stamp of the first put after which a request with the key may be sent
--   attempt     number of the put; a later attempt is sent later
--   open        an owner holds the intent
--   doubt       an earlier attempt had an unknown outcome
--   stuck       answers in a row which mean that the server never executes this key
--   write_id    random name of the put
--   owner       see owner.lua

-- The server has stored a 5xx that it repeats so often. A 422 means that the key was used
-- with another request. An answer of a gateway does not show what the server has stored.
local STUCK = 3
local OF_A_GATEWAY = { [502] = true, [503] = true, [504] = true }

local function may_be_executed(self)
  return self.open or self.doubt
end

-- Seconds for which the server still repeats the answer of the first execution, or
-- accepts the old token. Where the elapsed time is not exact, an idempotent server is
-- assumed to repeat the answer, and a grace period to have ended.
local function reuse_left(self, env)
  local exchange = env.exchange
  if exchange.reuse == "strict" then return 0 end
  local is_idempotent = exchange.reuse == "idempotent"
  local elapsed, is_exact = timing.since(self.first_sent, env.clock, env.me)
  if not is_exact then return is_idempotent and math.huge or 0 end
  return (exchange.reuse_seconds or is_idempotent and math.huge or 0) - elapsed
end

--- May the request of an intent without a living owner be sent again? "hold": only at the
--- last chance; "wait": after that many seconds, since the server may still execute the
--- last attempt.
---@return "send"|"hold"|"wait" rule, number? seconds
function intent.replay(self, env, facts, is_last_chance)
  if not may_be_executed(self) or reuse_left(self, env) > 0 then return "send" end
  if not is_last_chance then return "hold" end
  local left = owner.time_left(self.owner, env.me, env.clock, facts)
  if left > 0 then return "wait", left end
  return "send"
end

--- Had the last attempt an unknown outcome, and does the next one wait for the last
--- chance?
---@param self table?
---@param is_orphaned boolean? the owner has died
function intent.is_held(self, env, is_orphaned)
  return self ~= nil and (is_orphaned or not self.open) and intent.replay(self, env, {}, false) == "hold"
end

--- The key of the next attempt. A new key only at the last chance, where the server never
--- executes the old one.
---@return string key, integer keys
function intent.next_key(self, env, is_last_chance)
  if not self then return env.random.key, 1 end
  if env.exchange.reuse == "idempotent" and self.stuck >= STUCK and is_last_chance then
    return env.random.key, self.keys + 1
  end
  return self.key, self.keys
end

-- `parameters` may be those of a session in memory; the refresh token is always that of
-- the record.
local function new_grant(parameters, tokens)
  local grant = {}
  for name, value in pairs(parameters) do grant[name] = value end
  grant.refresh_token = tokens.refresh_token
  return grant
end

--- The intent to put before the next request: a new one, or that of the record, owned by
--- this process.
function intent.next(record, env, is_last_chance)
  local self = record.intent
  local key, keys = intent.next_key(self, env, is_last_chance)
  local is_repeated = self ~= nil and may_be_executed(self)
  local has_same_key = self ~= nil and keys == self.keys
  return {
    key = key, keys = keys,
    grant = self and self.grant or new_grant(env.grant, record.tokens),
    opener = self and self.opener or env.opener,
    parent = record.gen,
    first_sent = is_repeated and has_same_key and self.first_sent or timing.stamp(env.me, env.clock),
    attempt = self and self.attempt + 1 or 1,
    open = true,
    doubt = is_repeated,
    stuck = has_same_key and self.stuck or 0,
    write_id = env.random.write_id,
    owner = owner.new(env.me, env.clock, env.exchange.timeout),
  }
end

--- The latest time, on CLOCK_BOOTTIME, at which a request of the attempt may be sent. A
--- replay is sent only while the server still repeats the answer.
function intent.not_after(self, env)
  local limit = owner.not_after(self.owner)
  local left = self.doubt and reuse_left(self, env) or 0
  return left > 0 and math.min(limit, env.clock.boot + left) or limit
end

local function stuck_after(self, failure)
  if failure.status == 422 then return STUCK end
  local status = failure.kind == "unknown" and failure.status or 0
  return status >= 500 and not OF_A_GATEWAY[status] and self.stuck + 1 or 0
end

--- The intent after a failed attempt, released for the next owner.
---@param failure { kind: string, status: integer? } kind "refused": nothing was executed
function intent.release(self, failure)
  local copy = {}
  for name, value in pairs(self) do copy[name] = value end
  copy.open = false
  copy.doubt = self.doubt or failure.kind ~= "refused"
  copy.stuck = stuck_after(self, failure)
  return copy
end

--- The stamp from which the life of an answer counts: an idempotent server may repeat the
--- answer to the first request with the key.
function intent.obtained(self, env, sent)
  if self.doubt and env.exchange.reuse == "idempotent" then return self.first_sent end
  return sent
end

return intent
