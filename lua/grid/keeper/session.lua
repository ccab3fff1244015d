-- The session that a caller receives: an immutable snapshot of a record.
-- Owns: which tokens are fields of it, and its methods. `pairs` and `tostring` show no
-- field; secrets that only the keeper needs are no fields at all.
-- Does not know: stores, refreshes, whether the session is still usable.

local argument = require "grid.argument"
local display = require "grid.display"
local dpop = require "grid.exchange.dpop"
local errors = require "grid.errors"
local json = require "grid.json"
local keys = require "grid.keys"
local pasted = require "grid.pasted"

local session = {}

---@class (exact) grid.Session
---@field id string
---@field generation integer 1 for the session that was added, then one more with each refresh
---@field expires_at integer seconds since 1970
---@field obtained_at integer seconds since 1970
---@field access_token string? of OAuth 2.0, like the three below
---@field token_type string?
---@field scope string?
---@field id_token string?
---@field kms_payload_json string? of Grid: what to store and to send
---@field data any the decoded answer without its refresh token; of Grid the decoded kms_payload. Decoded at each access
local Session = { __name = "grid.session" }

local inside = setmetatable({}, { __mode = "k" }) -- snapshot -> { fields, tokens, answer }

-- Tokens that are no fields: only the keeper uses them.
local KEPT = { refresh_token = true, private_key = true, dpop_key = true }

local function is_of_grid(tokens)
  return tokens.private_key ~= nil
end

local function fields_of(record)
  local fields, tokens = {}, record.tokens
  for name, value in pairs(tokens) do
    if not KEPT[name] then fields[name] = value end
  end
  if is_of_grid(tokens) then fields.kms_payload_json = tokens.refresh_token end
  fields.id, fields.generation = record.id, record.gen
  -- Whole seconds: os.date of Lua 5.4 raises for a float with a fraction.
  fields.obtained_at = math.floor(record.obtained.wall)
  fields.expires_at = math.floor(record.obtained.wall + record.life)
  return fields
end

--- The snapshot of a live record.
---@param record table
---@return grid.Session
function session.new(record)
  local self = setmetatable({}, Session)
  inside[self] = { fields = fields_of(record), tokens = record.tokens, answer = record.answer, skew = record.skew or 0 }
  return self
end

local function data_of(own)
  if is_of_grid(own.tokens) then return (json.decode(own.tokens.refresh_token)) end
  local value = json.decode(pasted.without_mark(own.answer))
  if type(value) == "table" then
    for name in pairs(KEPT) do value[name] = nil end
  end
  return value
end

local methods = {}

local function own_of(self, what)
  local own = inside[self]
  if not own then argument.raise("%s: call it with a colon, on a session", what) end
  return own
end

local function check_text(what, name, value)
  if type(value) ~= "string" then argument.raise_type(value, "%s: '%s' must be a string", what, name) end
end

--- A DPoP proof (RFC 9449) for a request with the access token of the session.
---@param method string
---@param url string
---@param nonce? string of the resource server
---@return string? proof, grid.Error?
function methods:dpop_proof(method, url, nonce)
  local what = "session:dpop_proof"
  local own = own_of(self, what)
  check_text(what, "method", method)
  check_text(what, "url", url)
  if nonce ~= nil then check_text(what, "nonce", nonce) end
  local key_text = own.tokens.dpop_key
  if not key_text then
    return nil, errors.new { kind = "request", code = "no_dpop_key", message = "the session has no key for DPoP: set dpop = true" }
  end
  return dpop.proof(key_text, method, url, nonce, math.floor(os.time() + own.skew), own.fields.access_token)
end

--- The authorization key of a Grid session, which signs transactions.
---@return grid.AuthorizationKey? auth, grid.Error?
function methods:authorization_key()
  local own = own_of(self, "session:authorization_key")
  if not is_of_grid(own.tokens) then
    return nil, errors.new {
      kind = "request", code = "no_authorization_key", message = "the session has no authorization key: it is not one of Grid",
    }
  end
  local pair, err = keys.keypair(own.tokens.private_key)
  if not pair then return nil, err end
  local auth
  auth, err = pair:open(own.tokens.refresh_token)
  pair:close()
  return auth, err
end

function Session:__index(name)
  local own = inside[self]
  local value = own.fields[name]
  if value ~= nil then return value end
  if name == "data" then return data_of(own) end
  return methods[name]
end

function Session:__newindex(name) -- luacheck: no self
  argument.raise("a session is a snapshot: its field '%s' cannot be set", tostring(name))
end

function Session:__tostring()
  local fields = inside[self].fields
  return ("grid.session: %s, generation %d"):format(display.one_line(fields.id), fields.generation)
end

return session
