-- The intent: what is written down before a refresh token is spent, and when it may be
-- sent again. Pure. An intent is
--   key         idempotency key; one per parent generation, but for `renew_key`
--   keys        how many keys the intent has had
--   grant       text fields: the parameters of the request, the same bytes at each send
--   opener      what opens the answer (a private key) | nil
--   parent      generation that is spent
--   first_sent  stamp of the first put after which something may have been sent
--   attempt     number of the put; a later attempt is sent later
--   open        an owner holds it
--   doubt       an attempt before had an unknown outcome
--   stuck       answers in a row that tell that this key will never be executed
--   write_id    random name of the put
--   owner       see owner.lua
-- Does not know: the rest of a record, stores, how the request is written.

local owner = require "grid.keeper.owner"
local timing = require "grid.keeper.timing"

local intent = {}

-- A stored 5xx that was repeated so often does not change any more; 422 is told for a key
-- that was used with another request.
local STUCK = 3

function intent.may_be_executed(self)
  return self.open or self.doubt
end

-- Seconds for which the server still gives the answer of the first execution, or takes
-- the old token. In doubt, an idempotent server does, and the grace of another one is
-- over.
local function reuse_left(self, env)
  local exchange = env.exchange
  if exchange.reuse == "strict" then return 0 end
  local is_idempotent = exchange.reuse == "idempotent"
  local elapsed, is_exact = timing.since(self.first_sent, env.clock, env.me)
  if not is_exact then return is_idempotent and math.huge or 0 end
  return (exchange.reuse_seconds or is_idempotent and math.huge or 0) - elapsed
end

--- May an intent without living owner be sent again? "hold": not before nothing is left
--- to lose; "wait": after so many seconds, as the server may still execute the last
--- attempt.
---@return "send"|"hold"|"wait" rule, number? seconds
function intent.replay(self, env, facts, is_last_chance)
  if not intent.may_be_executed(self) or reuse_left(self, env) > 0 then return "send" end
  if not is_last_chance then return "hold" end
  local left = owner.time_left(self.owner, env.me, env.clock, facts)
  if left > 0 then return "wait", left end
  return "send"
end

--- The key of the next attempt. Another one only where the server will never execute the
--- old one, and nothing is left to lose.
---@return string key, integer keys
function intent.next_key(self, env, is_last_chance)
  if not self then return env.random.key, 1 end
  if env.exchange.reuse == "idempotent" and self.stuck >= STUCK and is_last_chance then
    return env.random.key, self.keys + 1
  end
  return self.key, self.keys
end

-- `parameters` may be made of a session in memory; the token that is spent is that of the
-- record.
local function new_grant(parameters, tokens)
  local grant = {}
  for name, value in pairs(parameters) do grant[name] = value end
  grant.refresh_token = tokens.refresh_token
  return grant
end

--- The intent of `record` to put before the next send: a new one, or the one in the
--- record with us as owner.
function intent.next(record, env, is_last_chance)
  local self = record.intent
  local key, keys = intent.next_key(self, env, is_last_chance)
  local is_repeated = self ~= nil and intent.may_be_executed(self)
  return {
    key = key, keys = keys,
    grant = self and self.grant or new_grant(env.grant, record.tokens),
    opener = self and self.opener or env.opener,
    parent = record.gen,
    first_sent = is_repeated and self.first_sent or timing.stamp(env.me, env.clock),
    attempt = self and self.attempt + 1 or 1,
    open = true,
    doubt = is_repeated,
    stuck = self and keys == self.keys and self.stuck or 0,
    write_id = env.random.write_id,
    owner = owner.new(env.me, env.clock, env.exchange.timeout),
  }
end

--- Until when a request of the attempt may go out, on CLOCK_BOOTTIME. A replay that
--- relies on the memory of the server must not go out when that is over.
function intent.not_after(self, env)
  local limit = owner.not_after(self.owner)
  local left = self.doubt and reuse_left(self, env) or 0
  return left > 0 and math.min(limit, env.clock.boot + left) or limit
end

local function stuck_after(self, failure)
  if failure.status == 422 then return STUCK end
  local is_5xx = failure.kind == "unknown" and failure.status and failure.status >= 500
  return is_5xx and self.stuck + 1 or 0
end

--- The intent after an attempt without an answer that counts: given free, for the next.
---@param failure { kind: string, status: integer? } kind "refused": nothing was executed
function intent.free(self, failure)
  local copy = {}
  for name, value in pairs(self) do copy[name] = value end
  copy.open = false
  copy.doubt = self.doubt or failure.kind ~= "refused"
  copy.stuck = stuck_after(self, failure)
  return copy
end

--- The moment from which the life of an answer counts: an idempotent server may repeat
--- the answer of the first send.
function intent.obtained(self, env, sent)
  if self.doubt and env.exchange.reuse == "idempotent" then return self.first_sent end
  return sent
end

return intent
