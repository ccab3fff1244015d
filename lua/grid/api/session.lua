-- The rules of a session as the service writes it (kms_payload): required members,
-- expiries, the bytes to store after a refresh, and the repetition of a refresh.
-- Owns: these rules.
-- Pure: values in, values out; the caller reads the clock.
-- Does not know: calls, files, and the answer around a session.

local errors = require "grid.errors"
local json = require "grid.json"

local session = {}

local at, text = json.at, json.text

-- ---- Members --------------------------------------------------------------------------

-- Is the value neither a string, nor nil, nor null? An answer may leave a text out, but
-- must not give it another type.
local function is_wrong_text(value)
  return value ~= nil and type(value) ~= "string" and value ~= json.null
end

-- The name of a member of a decoded kms_payload that is missing or of the wrong type |
-- nil
local function fault(payload)
  local outer = payload.session
  if type(outer) ~= "table" then return "session" end
  local privy = outer.Privy
  if type(privy) ~= "table" then return "session.Privy" end
  if type(privy.token) ~= "string" then return "session.Privy.token" end
  if is_wrong_text(privy.refresh_token) then return "session.Privy.refresh_token" end
  if is_wrong_text(privy.privy_access_token) then return "session.Privy.privy_access_token" end
  local key = privy.session
  if type(key) ~= "table" then return "session.Privy.session" end
  if type(key.expires_at) ~= "number" then return "session.Privy.session.expires_at" end
  if is_wrong_text(payload.provider) then return "provider" end
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

return session
