-- What may be told of a session: expiries, fingerprints, addresses; never a token or a key.
-- Owns: the facts, for scripts and for people.

local core = require "grid.core"
local json = require "grid.json"
local members = require "grid.cli.members"
local sessions = require "grid.api.session"
local times = require "grid.cli.times"

local description = {}

local at = members.at

local function text_or_nil(value)
  return type(value) == "string" and value ~= "" and value or nil
end

-- A session of a provider that is not known has its name.
local function first_name(object)
  return type(object) == "table" and text_or_nil((next(object))) or nil
end

local function expiry(fact, seconds)
  if seconds then fact.expires_at, fact.expired = math.floor(seconds), seconds <= os.time() end
  return fact
end

local function token(value)
  if not text_or_nil(value) then return nil end
  return expiry({ fingerprint = core.fingerprint(value) }, times.expiry_of_token(value))
end

local function wallets(list)
  local facts = json.array()
  for _, wallet in ipairs(type(list) == "table" and list or {}) do
    facts[#facts + 1] = { address = text_or_nil(at(wallet, "address")), chain_type = text_or_nil(at(wallet, "chain_type")) }
  end
  return facts
end

-- The authorization key as far as the pair opens it.
local function authorization_key(payload, key_session, pair)
  local fact = expiry({}, sessions.seconds(at(key_session, "expires_at")))
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

--- The facts of a session, as a table for scripts; times in seconds since 1970. `pair` may be nil.
function description.facts(session, pair)
  local payload = json.decode(session.kms_payload)
  local privy = at(payload, "session", "Privy")
  return {
    form = session.bare and "kms_payload" or "session",
    address = session.address,
    saved_at = session.saved_at,
    provider = text_or_nil(at(payload, "provider")) or (privy and "privy" or first_name(at(payload, "session"))),
    user_id = text_or_nil(at(privy, "user_id")),
    key_pair = pair and { fingerprint = pair.key:fingerprint() },
    authorization_key = privy and authorization_key(payload, at(privy, "session"), pair),
    user_token = token(at(privy, "token")),
    access_token = token(at(privy, "privy_access_token")),
    refresh_token = token(at(privy, "refresh_token")),
    wallets = wallets(at(privy, "session", "wallets")),
  }
end

local function join(...)
  local words = {}
  for i = 1, select("#", ...) do words[#words + 1] = select(i, ...) or nil end
  return #words > 0 and table.concat(words, ", ") or nil
end

local function with_expiry(fact, what)
  if not fact then return "none" end
  local word = fact.expires_at and (fact.expired and "EXPIRED " or "expires ") .. times.text(fact.expires_at)
  return join(what or fact.fingerprint or false, word or false) or "no expiry known"
end

local function key_text(fact)
  if not fact then return "none" end
  local what = fact.opens == false and ("cannot be opened by this pair (%s)"):format(fact.problem) or fact.fingerprint
  return with_expiry(fact, what)
end

--- The facts as rows for people.
function description.rows(facts)
  local rows = {
    { "account", facts.address or "not named in the file" },
    { "provider", facts.provider },
    { "user", facts.user_id },
    { "key pair", facts.key_pair and facts.key_pair.fingerprint or "none in the file" },
    { "authorization key", key_text(facts.authorization_key) },
    { "user token", with_expiry(facts.user_token) },
    { "access token", with_expiry(facts.access_token) },
    { "refresh token", with_expiry(facts.refresh_token) },
  }
  for _, wallet in ipairs(facts.wallets) do
    rows[#rows + 1] = { "wallet", join(wallet.address or false, wallet.chain_type or false) }
  end
  rows[#rows + 1] = { "saved", facts.saved_at }
  return rows
end

return description
