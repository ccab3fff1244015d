-- Authenticates an OAuth 2.0 client to a token endpoint (RFC 6749 section 2.3.1, RFC 7523
-- section 2.2). Each request has a new assertion, since a server accepts an assertion
-- once.
-- Owns: the methods, and the options that each method requires.
-- Does not know: grants and answers.

local argument = require "grid.argument"
local core = require "grid.core"
local encoding = require "grid.exchange.encoding"
local jwt = require "grid.jwt"

local client_auth = {}

local ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
local ASSERTION_LIFE = 120 -- seconds; longer than common differences between clocks

---@class grid.exchange.Client
---@field id string
---@field secret? string
---@field key? grid.core.key
---@field key_id? string
---@field credentials? string see client_auth.credentials

local function add(fields, name, value)
  fields[#fields + 1] = { name, value }
end

-- add_to[method](client, audience, now, fields, headers) -> true | nil, error
local add_to = {}

function add_to.none(client, _, _, fields)
  add(fields, "client_id", client.id)
  return true
end

--- The value of the header `Authorization`, made once. Id and secret are encoded as in a
--- form before they are joined by a colon, since either may contain a colon (RFC 6749
--- 2.3.1).
function client_auth.credentials(client)
  if not client.credentials then
    client.credentials = "Basic " .. encoding.base64(encoding.escape(client.id) .. ":" .. encoding.escape(client.secret))
  end
  return client.credentials
end

function add_to.basic(client, _, _, _, headers)
  headers.Authorization = client_auth.credentials(client)
  return true
end

function add_to.post(client, _, _, fields)
  add(fields, "client_id", client.id)
  add(fields, "client_secret", client.secret)
  return true
end

function add_to.private_key_jwt(client, audience, now, fields)
  local assertion, err = jwt.sign(client.key, { typ = "JWT", kid = client.key_id }, {
    iss = client.id, sub = client.id, aud = audience, jti = core.uuid(), iat = now, exp = now + ASSERTION_LIFE,
  })
  if not assertion then return nil, err end
  add(fields, "client_id", client.id)
  add(fields, "client_assertion_type", ASSERTION_TYPE)
  add(fields, "client_assertion", assertion)
  return true
end

--- Adds the fields or the header that authenticate the client to a request.
---@param method "basic"|"post"|"none"|"private_key_jwt"
---@param client grid.exchange.Client
---@param audience string of an assertion
---@param now integer seconds since 1970 on the clock of the server
---@return true?, grid.Error?
function client_auth.add(method, client, audience, now, fields, headers)
  return add_to[method](client, audience, now, fields, headers)
end

-- The option that each method requires, what to do without it, and the options that each
-- method reads.
local NEEDED = { basic = "client_secret", post = "client_secret", private_key_jwt = "private_key" }
local REMEDY = { client_secret = "; a client without a secret has client_auth = \"none\"", private_key = "" }
local READ = {
  basic = { client_secret = true }, post = { client_secret = true }, none = {},
  private_key_jwt = { private_key = true, key_id = true },
}

-- An option that the method does not read raises, since the caller expects its value to
-- be sent.
local function check(what, method, given)
  local needed = NEEDED[method]
  if needed and given[needed] == nil then
    argument.raise("%s: field '%s' is missing: client_auth = \"%s\" needs it%s", what, needed, method, REMEDY[needed])
  end
  for _, name in ipairs { "client_secret", "private_key", "key_id" } do
    if given[name] ~= nil and not READ[method][name] then
      argument.raise("%s: '%s' is not used with client_auth = \"%s\"", what, name, method)
    end
  end
end

--- The client that the options of an exchange describe. Raises if the method and the
--- options do not match.
---@return grid.exchange.Client
function client_auth.client(what, method, given)
  check(what, method, given)
  local client = { id = given.client_id, secret = given.client_secret, key_id = given.key_id }
  if given.private_key then
    client.key = core.key_from_text(given.private_key)
    if not client.key then
      argument.raise("%s: 'private_key' must be a P-256 private key: PEM, or PKCS#8 in base64", what)
    end
  end
  return client
end

return client_auth
