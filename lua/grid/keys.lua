-- Key pairs, which open authorization keys, and authorization keys, which sign.
-- Owns: the methods around the key of grid.core. The private key stays in C, and is wiped
-- when the key is closed or collected. tostring returns a fingerprint.
-- Does not know: HTTP, stored sessions.

local core = require "grid.core"
local errors = require "grid.errors"
local json = require "grid.json"
local argument = require "grid.argument"

local keys = {}

--- The members and methods of both kinds of key.
---@class grid.Key
---@field public_key string base64 of the 91-byte SPKI DER
local Key = {}

--- Its public key is sent in a request, and `open` decrypts the authorization key of the
--- answer.
---@class grid.KeyPair: grid.Key
local KeyPair = { __name = "grid.keypair" }

--- Signs transactions.
---@class grid.AuthorizationKey: grid.Key
---@field opened_at number seconds on the clock of core.now
---@field signers table<string, true>? addresses that the key may sign for, if the session lists them
local AuthorizationKey = { __name = "grid.authorization_key" }
keys.AuthorizationKey = AuthorizationKey

--- Raises unless `value` is an open key of that class.
function keys.check(what, value, Class)
  if getmetatable(value) ~= Class then argument.raise_type(value, "%s: a %s is expected", what, Class.__name) end
  if value.closed then argument.raise("%s: the key is closed", what) end
end

local function check_colon(what, self)
  local Class = getmetatable(self)
  if Class ~= KeyPair and Class ~= AuthorizationKey then argument.raise("%s: call it with a colon, on a key", what) end
  return Class
end

function Key:__tostring()
  return ("%s (%s)"):format(getmetatable(self).__name, self.closed and "closed" or self.key:fingerprint() or "unknown")
end

--- The private key, a secret: base64 of its PKCS#8 DER.
---@return string?, grid.Error?
function Key:export()
  keys.check("keys:export", self, check_colon("keys:export", self))
  return errors.core_result(self.key:export())
end

--- Wipes the key. Idempotent.
function Key:close()
  check_colon("keys:close", self)
  self.closed = true
  self.key:close()
end

Key.__close = Key.close

for _, Class in ipairs { KeyPair, AuthorizationKey } do
  for name, method in pairs(Key) do Class[name] = method end
  Class.__index = Class
end

-- `...`: the results of a function of grid.core that returns a key.
local function wrap(Class, ...)
  local key, err = errors.core_result(...)
  if not key then return nil, err end
  return setmetatable({ key = key, public_key = key:public_key() }, Class)
end

local function from_text(what, Class, text)
  if type(text) ~= "string" then argument.raise_type(text, "%s: a string is expected", what) end
  return wrap(Class, core.key_from_text(text))
end

--- A new P-256 pair, or the pair of a private key: PKCS#8 DER in base64, PEM, or the form
--- that the TypeScript SDK exports.
---@param text? string
---@return grid.KeyPair?, grid.Error?
function keys.keypair(text)
  if text ~= nil then return from_text("grid.keypair", KeyPair, text) end
  return wrap(KeyPair, core.key_new())
end

--- An authorization key that was opened before: PKCS#8 DER in base64, PEM,
--- "wallet-auth:…".
---@param text string
---@return grid.AuthorizationKey?, grid.Error?
function keys.authorization_key(text)
  local auth, err = from_text("grid.authorization_key", AuthorizationKey, text)
  if auth then auth.opened_at = core.now() end
  return auth, err
end

local function refuse(code, message)
  return nil, errors.new { kind = "crypto", code = code, message = message }
end

-- The innermost session of a kms_payload. Any other table is returned as it is.
local function key_session_of(value)
  for _, step in ipairs { "session", "Privy", "session" } do
    if type(value[step]) == "table" then value = value[step] end
  end
  return value
end

local function signers_of(session)
  if type(session.wallets) ~= "table" then return nil end
  local signers = {}
  for _, wallet in ipairs(session.wallets) do
    if type(wallet) == "table" and type(wallet.address) == "string" then signers[wallet.address] = true end
  end
  return signers
end

-- nil and null are accepted here, since a key that is missing in an answer is an error of
-- data, not misuse.
local function read_encrypted(value)
  if type(value) == "table" or value == nil or value == json.null then return value end
  if type(value) ~= "string" then argument.raise_type(value, "keys:open: a table or a string is expected") end
  local decoded, _, code, message = json.decode(value)
  if decoded == nil then return refuse(code, "the encrypted authorization key: " .. message) end
  return decoded
end

--- Opens an authorization key that the service sealed to this pair (HPKE, RFC 9180).
--- `encrypted` is the API's encrypted_authorization_key, or a whole kms_payload around
--- it, which also lists the addresses that the key may sign for; as a table or as JSON
--- text.
---@param encrypted table|string
---@return grid.AuthorizationKey?, grid.Error?
function KeyPair:open(encrypted)
  keys.check("keys:open", self, KeyPair)
  local value, err = read_encrypted(encrypted)
  if err then return nil, err end
  if type(value) ~= "table" then return refuse("no_encrypted_key", "there is no encrypted authorization key to open") end
  local session = key_session_of(value)
  local sealed = json.at(session, "encapsulated_key") and session or session.encrypted_authorization_key
  if type(sealed) ~= "table" then return refuse("no_encrypted_key", "the session holds no encrypted authorization key") end
  if (json.at(sealed, "encryption_type") or "HPKE") ~= "HPKE" then
    return refuse("unknown_encryption", "the authorization key is encrypted in a way that is not HPKE")
  end
  if type(sealed.encapsulated_key) ~= "string" or type(sealed.ciphertext) ~= "string" then
    return refuse("bad_encrypted_key", "encapsulated_key and ciphertext must be base64 strings")
  end
  local auth
  auth, err = wrap(AuthorizationKey, self.key:open(sealed.encapsulated_key, sealed.ciphertext))
  if auth then auth.opened_at, auth.signers = core.now(), signers_of(session) end
  return auth, err
end

--- Signs a prepared payload. -> base64 DER of an ECDSA P-256/SHA-256 signature over the
--- canonical JSON (RFC 8785) | nil, error
---@param payload string base64 of JSON text
---@return string?, grid.Error?
function AuthorizationKey:sign(payload)
  keys.check("auth:sign", self, AuthorizationKey)
  if type(payload) ~= "string" then argument.raise_type(payload, "auth:sign: a string is expected") end
  return errors.core_result(self.key:sign_payload(payload))
end

--- The canonical form of a JSON text (RFC 8785).
---@param text string
---@return string?, grid.Error?
function keys.canonicalize(text)
  if type(text) ~= "string" then argument.raise_type(text, "grid.canonicalize: a string is expected") end
  return errors.core_result(core.canonicalize(text))
end

return keys
