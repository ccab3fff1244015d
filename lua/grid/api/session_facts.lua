-- The facts of a stored session that may be shown: expiries, fingerprints and addresses.
-- Owns: which of them are no secrets.
-- Pure: values in, values out; the caller reads the clock.
-- Does not know: calls and files.

local core = require "grid.core"
local json = require "grid.json"
local jwt = require "grid.jwt"
local session = require "grid.api.session"

local session_facts = {}

local at, text = json.at, json.text

--- The wallets of a session, as two sets: of their addresses, and of their ids.
---@param kms_payload string
---@return table<string, true> addresses, table<string, true> ids
function session_facts.wallets(kms_payload)
  local list = at(json.decode(kms_payload), "session", "Privy", "session", "wallets")
  local addresses, ids = {}, {}
  for _, wallet in ipairs(type(list) == "table" and list or {}) do
    local address, id = at(wallet, "address"), at(wallet, "id")
    if type(address) == "string" then addresses[address] = true end
    if type(id) == "string" then ids[id] = true end
  end
  return addresses, ids
end

--- A fingerprint of the refresh token, or of the whole session without one. Two copies of
--- one session have the same.
---@param kms_payload string
---@return string
function session_facts.identity(kms_payload)
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
function session_facts.describe(kms_payload, now, pair)
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

return session_facts
