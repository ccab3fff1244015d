-- Describes a session file without its secrets: expiries, fingerprints, addresses.
-- Owns: the rows for people, and the facts of the file that are not of its session.
-- Does not know: the members of a session, which are in grid.api.session.

local session_facts = require "grid.api.session_facts"
local times = require "grid.cli.times"

local description = {}

--- The facts as a table for scripts. `pair` may be nil.
---@param session grid.cli.Session
---@param pair? grid.KeyPair
function description.facts(session, pair)
  local facts = session_facts.describe(session.kms_payload, os.time(), pair)
  facts.form = session.bare and "kms_payload" or "session"
  facts.address, facts.saved_at = session.address, session.saved_at
  facts.key_pair = pair and { fingerprint = pair.key:fingerprint() }
  return facts
end

local function join(first, second)
  return first and second and first .. ", " .. second or first or second
end

local function expiry_text(fact)
  if not fact.expires_at then return nil end
  return (fact.expired and "EXPIRED " or "expires ") .. times.text(fact.expires_at)
end

local function token_text(fact)
  if not fact then return "none" end
  return join(fact.fingerprint, expiry_text(fact))
end

local function key_text(fact)
  if not fact then return "none" end
  local subject = fact.fingerprint
  if fact.opens == false then
    subject = ("cannot be opened by this pair (%s)"):format(fact.problem)
  end
  return join(subject, expiry_text(fact)) or "no expiry known"
end

--- The facts as rows for people.
function description.rows(facts)
  local rows = {
    { "account", facts.address or "not named in the file" },
    { "provider", facts.provider },
    { "user", facts.user_id },
    { "key pair", facts.key_pair and facts.key_pair.fingerprint or "none in the file" },
    { "authorization key", key_text(facts.authorization_key) },
    { "user token", token_text(facts.user_token) },
    { "access token", token_text(facts.access_token) },
    { "refresh token", token_text(facts.refresh_token) },
  }
  for _, wallet in ipairs(facts.wallets) do
    rows[#rows + 1] = { "wallet", join(wallet.address, wallet.chain_type) }
  end
  rows[#rows + 1] = { "saved", facts.saved_at }
  return rows
end

return description
