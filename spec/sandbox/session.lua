-- Sessions as Grid and Privy keep them: a user token with an expiry, a refresh token that
-- rotates, an authorization key. One session is one log-in to an account; its refresh
-- tokens form a family that is revoked as a whole when a spent one comes again. A
-- refusal is a failure `{status, code, message}`.
-- Does not know: HTTP.

local accounts = require "sandbox.accounts"
local bytes = require "sandbox.bytes"
local json = require "sandbox.json"
local jwt = require "sandbox.jwt"
local seal = require "sandbox.seal"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local session = {}

local ISSUED_KEPT = 2 -- payload texts kept for comparison

-- What a later version of the API might add. The number is the largest that a double
-- holds exactly with all below it.
local UNKNOWN_FIELDS = '"x_future":{"list":[],"table":{},"none":null,"number":9007199254740991,'
  .. [["text":"caf\u00e9 \/ th\u00e9"},]]

--- A new user and refresh token for the session: generation + 1.
local function rotate(owner)
  owner.generation = owner.generation + 1
  local issued = math.floor(ngx.now())
  local claims = {
    id = owner.generation, -- or two tokens of one second would be the same
    aud = "grid", session = owner.id, user = owner.account.user_id,
    issued = issued, expires = issued + settings.current.token_lifetime,
  }
  local record = {
    session = owner, born = issued, refresh_token = bytes.random_text(32), token_expires = claims.expires,
  }
  record.token = jwt.issue(claims)
  claims.aud = "privy"
  record.privy_access_token = jwt.issue(claims)
  owner.newest = record
  return record
end

--- The text of a KmsPayload that carries `tokens` and a new key for `public_key`.
local function issue(owner, tokens, public_key)
  local encapsulated_key, ciphertext, point = seal.authorization_key(public_key)
  local now = ngx.now()
  owner.key = { point = point, born = now, expires = now + settings.current.key_lifetime }
  local text = '{"provider":"privy",' .. (settings.current.unknown_fields and UNKNOWN_FIELDS or "")
    .. '"session":{"Privy":{"user_id":"' .. owner.account.user_id .. '","token":"' .. tokens.token
    .. '","privy_access_token":"' .. tokens.privy_access_token .. '","refresh_token":"' .. tokens.refresh_token
    .. '","session":{"encrypted_authorization_key":{"encryption_type":"HPKE","encapsulated_key":"' .. encapsulated_key
    .. '","ciphertext":"' .. ciphertext .. '"},"expires_at":' .. string.format("%.0f", math.floor(owner.key.expires * 1000))
    .. ',"wallets":' .. owner.account.wallets .. "}}}}"
  table.insert(owner.issued, 1, { text = text, encapsulated_key = encapsulated_key })
  owner.issued[ISSUED_KEPT + 1] = nil
  return text
end

local function new_session(account)
  return { id = bytes.uuid(), account = account, generation = 0, issued = {}, revoked = false }
end

--- A log-in.
---@return table session, string payload  the session and the text of its first KmsPayload
function session.create(account, public_key)
  local owner = new_session(account)
  local record = rotate(owner)
  state.refresh_tokens[record.refresh_token] = record
  state.sessions[owner.id] = owner
  table.insert(account.sessions, 1, owner)
  return owner, issue(owner, record, public_key)
end

--- The text of a payload that looks right and belongs to no session.
function session.sample(public_key)
  local owner = new_session(accounts.stranger())
  return issue(owner, rotate(owner), public_key)
end

local function refuse(code, message)
  return nil, { status = 401, code = code, message = message }
end

-- object.a.b.c, where any of them may be missing or no object.
local function dig(value, ...)
  for i = 1, select("#", ...) do
    if not json.is_object(value) then return nil end
    value = value[select(i, ...)]
  end
  return value
end

--- Whether `text`, read as `value`, is the very payload that its session was given last:
--- then it needs no further look.
function session.issued_last(text, value)
  local record = state.refresh_tokens[dig(value, "session", "Privy", "refresh_token") or ""]
  return record ~= nil and record.session.issued[1].text == text
end

--- Who a payload (its read value) belongs to. What it presents is answered with the
--- record of its refresh token.
function session.from_payload(payload)
  local privy = payload.session.Privy
  local record = state.refresh_tokens[privy.refresh_token]
  if not record then return refuse("invalid_refresh_token", "Invalid refresh token") end
  local expires = record.token_expires
  if privy.token ~= record.token then
    local claims = jwt.read(privy.token)
    if not claims or claims.sid ~= record.session.id then return refuse("invalid_token", "Invalid user token") end
    expires = claims.exp
  end
  return {
    record = record, token = privy.token, token_expires = expires,
    privy_access_token = privy.privy_access_token, refresh_token = privy.refresh_token,
  }
end

--- The same for the cookie flow, whose cookie carries the refresh token alone.
function session.from_cookie(cookie)
  local record = state.refresh_tokens[cookie]
  if not record then return refuse("invalid_refresh_token", "Invalid session cookie") end
  return {
    record = record, token = record.token, token_expires = record.token_expires,
    privy_access_token = record.privy_access_token, refresh_token = cookie,
  }
end

--- How a payload came back: `exact`, `equal` in meaning, `altered`, or `unknown` (issued
--- too long ago to compare).
function session.compare(record, text, value)
  local key = dig(value, "session", "Privy", "session", "encrypted_authorization_key", "encapsulated_key")
  for _, issued in ipairs(record.session.issued) do
    if issued.text == text then return "exact" end
    if key == issued.encapsulated_key then
      return json.equal(value, (json.decode(issued.text))) and "equal" or "altered"
    end
  end
  return "unknown"
end

-- Spending a refresh token: once, or within the grace time as often as it comes.
local function spend(record)
  local now = ngx.now()
  if not record.spent_at then
    record.spent_at = now
    record.token, record.privy_access_token = nil, nil -- no longer of use, and many records are kept
    return true
  end
  if settings.current.mode == "grace" and now - record.spent_at <= settings.current.grace then return true end
  record.session.revoked = true
  state.count "reuses"
  return false
end

--- Renews what `presented` (from one of the two functions above) stands for.
---@return string|nil payload, table result  the new KmsPayload's text and the record behind it; else nil and a failure
function session.refresh(presented, public_key)
  local record, tier = presented.record, settings.current.tier
  local owner = record.session
  if owner.revoked then return refuse("session_revoked", "The session has been revoked") end
  if ngx.now() > record.born + settings.current.refresh_lifetime then
    return refuse("refresh_token_expired", "The refresh token has expired")
  end
  if tier == "auto" then tier = presented.token_expires > ngx.now() and "1" or "2" end
  if tier == "1" and presented.token then -- a spent cookie has none
    state.count "tier1"
    return issue(owner, presented, public_key), record
  end
  if not spend(record) then return refuse("refresh_token_reused", "The refresh token has been used before") end
  state.count "tier2"
  local fresh = rotate(owner)
  state.refresh_tokens[fresh.refresh_token] = fresh
  return issue(owner, fresh, public_key), fresh
end

return session
