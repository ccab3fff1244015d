-- A session as the service writes it (kms_payload): the members that it must have, the
-- expiry of its authorization key, and the bytes to store after a refresh.
-- Pure: values in, values out. Does not know calls, files, or the answer around a session.

local json = require "grid.json"

local session = {}

local function is_present(value)
  return value ~= nil and value ~= json.null
end

-- An answer may leave these out, but must not give them another type.
local OPTIONAL_TEXTS = { "refresh_token", "privy_access_token" }

--- The name of the member that makes a decoded kms_payload unusable: missing, or of the
--- wrong type | nil
function session.fault(payload)
  local outer = payload.session
  if type(outer) ~= "table" then return "session" end
  local privy = outer.Privy
  if type(privy) ~= "table" then return "session.Privy" end
  if type(privy.token) ~= "string" then return "session.Privy.token" end
  for _, name in ipairs(OPTIONAL_TEXTS) do
    local text = privy[name]
    if type(text) ~= "string" and is_present(text) then return "session.Privy." .. name end
  end
  local key = privy.session
  if type(key) ~= "table" then return "session.Privy.session" end
  if type(key.expires_at) ~= "number" then return "session.Privy.session.expires_at" end
  local provider = payload.provider
  if type(provider) ~= "string" and is_present(provider) then return "provider" end
end

local LARGEST_IN_SECONDS = 1e11 -- the year 5138; a larger time is in milliseconds
local LATEST = 253402300799     -- the end of the year 9999: os.date takes it

--- A time of the API, given in milliseconds or seconds, as whole seconds since 1970, cut
--- to the range from 0 to the end of the year 9999 | nil: `value` is not a number
function session.seconds(value)
  if type(value) ~= "number" then return nil end
  if value > LARGEST_IN_SECONDS then value = value / 1000 end
  return math.floor(math.max(0, math.min(value, LATEST)))
end

--- The expiry of the session's authorization key, in whole seconds since 1970.
function session.expires_at(payload)
  return session.seconds(payload.session.Privy.session.expires_at)
end

local function has_text(value)
  return type(value) == "string" and value ~= ""
end

-- The raw JSON string of the refresh token in `sent` | nil: it has none.
local function sent_token(sent)
  local raw = json.slice(sent, "session", "Privy", "refresh_token")
  if raw and raw:sub(1, 1) == '"' and raw ~= '""' then return raw end
end

local function is_another_user(sent, privy)
  local raw = json.slice(sent, "session", "Privy", "user_id")
  local before, after = raw and json.decode(raw), privy.user_id
  return has_text(before) and has_text(after) and before ~= after
end

local function put_in(bytes, token)
  local old, first = json.slice(bytes, "session", "Privy", "refresh_token")
  if old then return bytes:sub(1, first - 1) .. token .. bytes:sub(first + #old) end
  local _, brace = json.slice(bytes, "session", "Privy")
  -- The comma is right: a Privy object has at least the member `token`.
  return bytes:sub(1, brace) .. '"refresh_token":' .. token .. "," .. bytes:sub(brace + 1)
end

--- The kms_payload to store after a refresh: the exact bytes of the answer's. An answer
--- that leaves refresh_token out (no such member, null or "") means that the token in the
--- request stays valid: then that token is inserted, and no other byte changes. A token is
--- never inserted into the session of another user.
---@param bytes string the kms_payload of the answer
---@param payload table the same, decoded; session.fault accepts it
---@param sent? string the kms_payload of the request; nil in the cookie flow
---@return string
function session.to_store(bytes, payload, sent)
  local privy = payload.session.Privy
  if not sent or has_text(privy.refresh_token) then return bytes end
  local token = sent_token(sent)
  if not token or is_another_user(sent, privy) then return bytes end
  return put_in(bytes, token)
end

return session
