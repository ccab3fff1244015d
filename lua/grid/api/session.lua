-- The rules of a session as the service writes it (kms_payload): required members,
-- expiries, the bytes to store after a refresh, the repetition of a refresh, and the
-- facts that may be shown.
-- Owns: these rules.
-- Pure: values in, values out; the caller reads the clock.
-- Does not know: calls, files, and the answer around a session.

local core = require "grid.core"
local errors = require "grid.errors"
local json = require "grid.json"
local lazy = require "grid.lazy"

local jwt = lazy "grid.jwt"

local session = {}

local at, text = json.at, json.text

-- ---- Members --------------------------------------------------------------------------

-- An answer may leave these out, but must not give them another type.
local OPTIONAL_TEXTS = { "refresh_token", "privy_access_token" }

-- The name of a member of a decoded kms_payload that is missing or of the wrong type |
-- nil
local function fault(payload)
  local outer = payload.session
  if type(outer) ~= "table" then return "session" end
  local privy = outer.Privy
  if type(privy) ~= "table" then return "session.Privy" end
  if type(privy.token) ~= "string" then return "session.Privy.token" end
  for _, name in ipairs(OPTIONAL_TEXTS) do
    local value = at(privy, name)
    if value ~= nil and type(value) ~= "string" then return "session.Privy." .. name end
  end
  local key = privy.session
  if type(key) ~= "table" then return "session.Privy.session" end
  if type(key.expires_at) ~= "number" then return "session.Privy.session.expires_at" end
  local provider = at(payload, "provider")
  if provider ~= nil and type(provider) ~= "string" then return "provider" end
end

--- The fault of a decoded kms_payload as a phrase | nil
function session.problem(payload)
  local name = fault(payload)
  return name and ("kms_payload.%s is missing or has the wrong type"):format(name)
end

--- Is it a Turnkey session? Such a session cannot be refreshed.
---@param payload table decoded
function session.is_turnkey(payload)
  return at(payload, "session", "Turnkey") ~= nil
end

--- The wallets of a session, as two sets: of their addresses, and of their ids.
---@param kms_payload string
---@return table<string, true> addresses, table<string, true> ids
function session.wallets(kms_payload)
  local list = at(json.decode(kms_payload), "session", "Privy", "session", "wallets")
  local addresses, ids = {}, {}
  for _, wallet in ipairs(type(list) == "table" and list or {}) do
    local address, id = at(wallet, "address"), at(wallet, "id")
    if type(address) == "string" then addresses[address] = true end
    if type(id) == "string" then ids[id] = true end
  end
  return addresses, ids
end

-- ---- Expiry ---------------------------------------------------------------------------

local LARGEST_IN_SECONDS = 1e11 -- the year 5138; a larger time is in milliseconds
local LATEST = 253402300799     -- the end of the year 9999: os.date accepts it

--- A time of the API, given in milliseconds or seconds, as whole seconds since 1970, cut
--- to the range from 0 to the end of the year 9999 | nil: `value` is not a number
function session.seconds(value)
  if type(value) ~= "number" then return nil end
  if value > LARGEST_IN_SECONDS then value = value / 1000 end
  return math.floor(math.max(0, math.min(value, LATEST)))
end

--- The expiry of the session's authorization key, in whole seconds since 1970.
---@param payload table decoded; session.problem accepts it
function session.expires_at(payload)
  return session.seconds(payload.session.Privy.session.expires_at)
end

--- The same for any kms_payload | nil: the payload has no expiry
---@param kms_payload string
---@return integer?
function session.key_expiry(kms_payload)
  return session.seconds(at(json.decode(kms_payload), "session", "Privy", "session", "expires_at"))
end

--- Has a key or token with this expiry expired?
---@param expires_at number
---@param now number seconds since 1970
function session.is_expired(expires_at, now)
  return expires_at <= now
end

-- ---- After a refresh ------------------------------------------------------------------

-- The raw JSON string of the refresh token in `sent` | nil: no token
local function sent_token(sent)
  local raw = json.slice(sent, "session", "Privy", "refresh_token")
  if raw and raw:sub(1, 1) == '"' and raw ~= '""' then return raw end
end

local function is_another_user(sent, privy)
  local raw = json.slice(sent, "session", "Privy", "user_id")
  local before, after = raw and json.decode(raw), privy.user_id
  return text(before) and text(after) and before ~= after
end

local function insert_token(bytes, token)
  local old, first = json.slice(bytes, "session", "Privy", "refresh_token")
  if old then return bytes:sub(1, first - 1) .. token .. bytes:sub(first + #old) end
  local _, brace = json.slice(bytes, "session", "Privy")
  -- A comma always follows, since a Privy object has at least the member `token`.
  return bytes:sub(1, brace) .. '"refresh_token":' .. token .. "," .. bytes:sub(brace + 1)
end

--- The kms_payload to store after a refresh: the exact bytes of the answer's. An answer
--- that leaves refresh_token out (no such member, null or "") means that the token in the
--- request stays valid: then that token is inserted, and no other byte changes. A token
--- is never inserted into the session of another user.
---@param bytes string the kms_payload of the answer
---@param payload table the same, decoded; session.problem accepts it
---@param sent? string the kms_payload of the request; nil in the cookie flow
---@return string
function session.to_store(bytes, payload, sent)
  local privy = payload.session.Privy
  if not sent or text(privy.refresh_token) then return bytes end
  local token = sent_token(sent)
  if not token or is_another_user(sent, privy) then return bytes end
  return insert_token(bytes, token)
end

--- The idempotency key for the repetition of a refresh that failed with `err`. The
--- request may have been executed and its answer lost, so the same key and body must be
--- sent | nil: a later refresh is a new request
---@param err any
---@return string?
function session.repeat_key(err)
  if errors.is_error(err) and err.outcome == "unknown" then return err.idempotency_key end
end

--- The raw body of an answer that was not accepted, if it may contain the new session |
--- nil
---@param err any
---@return string?
function session.rescuable_body(err)
  if not errors.is_error(err) or not err.status or err.status >= 300 then return nil end
  return text(err.body)
end

-- ---- What may be shown ----------------------------------------------------------------

--- A fingerprint of the refresh token, or of the whole session without one. Two copies of
--- one session have the same.
---@param kms_payload string
---@return string
function session.identity(kms_payload)
  local token = at(json.decode(kms_payload), "session", "Privy", "refresh_token")
  return core.fingerprint(text(token) or kms_payload)
end

local function add_expiry(fact, seconds, now)
  if seconds then
    fact.expires_at, fact.expired = math.floor(seconds), session.is_expired(seconds, now)
  end
  return fact
end

local function describe_token(value, now)
  if not text(value) then return nil end
  return add_expiry({ fingerprint = core.fingerprint(value) }, jwt.expiry(value), now)
end

local function describe_wallets(list)
  local facts = json.array()
  for _, wallet in ipairs(type(list) == "table" and list or {}) do
    facts[#facts + 1] = {
      address = text(at(wallet, "address")),
      chain_type = text(at(wallet, "chain_type")),
    }
  end
  return facts
end

local function describe_key(payload, key_session, now, pair)
  local fact = add_expiry({}, session.seconds(at(key_session, "expires_at")), now)
  if not pair then return fact end
  local auth, err = pair:open(payload)
  fact.opens = auth ~= nil
  if auth then
    fact.fingerprint = auth.key:fingerprint()
    auth:close()
  else
    fact.problem = err.code
  end
  return fact
end

-- Without `provider`, the name of the member of `session` is the provider.
local function provider_of(payload, privy)
  local named = text(at(payload, "provider"))
  if named or privy then return named or "privy" end
  local outer = at(payload, "session")
  if type(outer) == "table" then return text((next(outer))) end
end

---@class (exact) grid.SessionFact
---@field fingerprint string? of the token, or of the opened key
---@field expires_at number? seconds since 1970
---@field expired boolean?
---@field opens boolean? of the authorization key: `pair` opens it
---@field problem string? the error code if it does not

---@class (exact) grid.SessionFacts
---@field provider string?
---@field user_id string?
---@field authorization_key grid.SessionFact?
---@field user_token grid.SessionFact?
---@field access_token grid.SessionFact?
---@field refresh_token grid.SessionFact?
---@field wallets { address: string?, chain_type: string? }[]

--- The facts of a session that may be shown: expiries, fingerprints and addresses, no
--- secret. Accepts a session of any form.
---@param kms_payload string
---@param now number seconds since 1970
---@param pair? grid.KeyPair that opens the authorization key
---@return grid.SessionFacts
function session.describe(kms_payload, now, pair)
  local payload = json.decode(kms_payload)
  local privy = at(payload, "session", "Privy")
  return {
    provider = provider_of(payload, privy),
    user_id = text(at(privy, "user_id")),
    authorization_key = privy and describe_key(payload, at(privy, "session"), now, pair),
    user_token = describe_token(at(privy, "token"), now),
    access_token = describe_token(at(privy, "privy_access_token"), now),
    refresh_token = describe_token(at(privy, "refresh_token"), now),
    wallets = describe_wallets(at(privy, "session", "wallets")),
  }
end

return session
