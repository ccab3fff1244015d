-- Builds the requests of an OAuth 2.0 refresh (RFC 6749 section 6) and revocation (RFC
-- 7009), and reads the answers. Sends no request.
-- Owns: the options, the endpoints of the issuer, and the last nonce of the server for
-- DPoP. Secrets are upvalues, which a dump of the exchange does not show.
-- A grant has `refresh_token` and the texts that `exchange.grant` returned, and may have
-- `idempotency_key` and `now`: seconds since 1970 on the clock of the server.
-- Does not know: keepers, stores and calls.

local argument = require "grid.argument"
local ascii = require "grid.ascii"
local client_auth = require "grid.exchange.client_auth"
local contract = require "grid.exchange.contract"
local core = require "grid.core"
local dpop = require "grid.exchange.dpop"
local encoding = require "grid.exchange.encoding"
local errors = require "grid.errors"
local header_fields = require "grid.http.header_fields"
local json = require "grid.json"
local metadata = require "grid.exchange.metadata"
local pasted = require "grid.pasted"
local schema = require "grid.schema"
local token_answer = require "grid.exchange.token_answer"
local transport = require "grid.http.options"

local oauth2 = {}

local WHAT = "grid.exchange.oauth2"

---@class (exact) grid.OAuth2Options
---@field token_url? string https; http to a loopback address only
---@field revocation_url? string with token_url
---@field issuer? string RFC 8414; with token_url the audience of assertions, and no metadata is fetched
---@field client_id string
---@field client_auth? "basic"|"post"|"none"|"private_key_jwt" default "basic"
---@field client_secret? string of basic and post
---@field private_key? string of private_key_jwt: P-256, PEM or PKCS#8 in base64
---@field key_id? string of private_key
---@field scope? string
---@field parameters? table<string, string> further fields of the form
---@field dpop? boolean RFC 9449
---@field reuse? "strict"|"grace"|"idempotent" default "strict"
---@field reuse_seconds? number of grace and idempotent
---@field idempotency_header? string
---@field ca_file? string
---@field proxy? string
---@field http_version? "2"|"1.1"
---@field insecure_skip_tls_verify? boolean
---@field user_agent? string
oauth2.options = {
  token_url = { type = "string", check = transport.check_url },
  revocation_url = { type = "string", check = transport.check_url },
  issuer = { type = "string", check = transport.check_base_url },
  client_id = { type = "string", required = true, check = schema.not_empty },
  client_auth = { type = "string", check = schema.one_of("basic", "post", "none", "private_key_jwt"), default = "basic" },
  client_secret = { type = "string", check = schema.not_empty },
  private_key = { type = "string", check = schema.not_empty },
  key_id = { type = "string", check = schema.not_empty },
  scope = { type = "string", check = schema.plain },
  parameters = { type = "table" },
  dpop = { type = "boolean", default = false },
  reuse = contract.REUSE.reuse,
  reuse_seconds = contract.REUSE.reuse_seconds,
  idempotency_header = { type = "string", check = schema.plain },
}
for _, name in ipairs(contract.TRANSPORT) do
  local field = transport.transport[name]
  oauth2.options[name] = { type = field.type, check = field.check }
end

-- Form fields that the exchange writes.
local WRITTEN = {
  "grant_type", "refresh_token", "scope", "client_id", "client_secret", "client_assertion", "client_assertion_type",
}

local function check_parameters(parameters)
  for name, value in pairs(parameters) do
    if type(name) ~= "string" or type(value) ~= "string" then
      argument.raise("%s: parameters: names and values must be strings", WHAT)
    end
    for _, written in ipairs(WRITTEN) do
      if name == written then argument.raise("%s: parameters: '%s' is set by the exchange", WHAT, name) end
    end
  end
end

local SET = { authorization = true, accept = true, ["content-type"] = true, dpop = true, ["user-agent"] = true, cookie = true }

local function check_reuse(options)
  local header = options.idempotency_header
  if header then
    header_fields.check(WHAT, { [header] = "" })
    if SET[ascii.lower(header)] then argument.raise("%s: 'idempotency_header': the exchange sets '%s' itself", WHAT, header) end
  end
  if options.reuse == "idempotent" and not header then
    argument.raise("%s: field 'idempotency_header' is missing: reuse = \"idempotent\" needs it", WHAT)
  end
  contract.check_reuse(WHAT, options.reuse, options.reuse_seconds)
end

local function check_endpoints(options)
  if not options.token_url and not options.issuer then argument.raise("%s: field 'token_url' or 'issuer' is missing", WHAT) end
  if options.revocation_url and not options.token_url then
    argument.raise("%s: 'revocation_url' is used with 'token_url' only: the metadata of an issuer has its own", WHAT)
  end
end

-- A new table of the options. Raises if options contradict each other.
local function resolve(given)
  local options = transport.resolve(WHAT, oauth2.options, given)
  check_endpoints(options)
  check_reuse(options)
  check_parameters(options.parameters or {})
  return options
end

-- The names are sorted, so that a replay has the same bytes.
local function parameters_text(parameters)
  local fields = {}
  for i, name in ipairs(schema.sorted_names(parameters or {})) do fields[i] = { name, parameters[name] } end
  return #fields > 0 and encoding.form(fields) or nil
end

-- The secrets of a request, plain and as the form encodes them. grid.http.redact knows
-- secrets by such names.
local function secrets_of(client, grant)
  local secrets = { parameters_token = grant.parameters }
  local function add(name, value)
    secrets[name] = value
    secrets[name .. "_escaped"] = value and encoding.escape(value)
  end
  add("refresh_token", grant.refresh_token)
  add("client_secret", client.secret)
  add("dpop_key", grant.dpop_key)
  if client.secret then secrets.basic_secret = client_auth.credentials(client):match "%S+$" end
  return secrets
end

local function no_endpoint(options)
  return errors.new {
    kind = "request", code = "no_metadata",
    message = ("the token endpoint of %s is not known yet: fetch its metadata first, by exchange.discovery"):format(options.issuer),
  }
end

-- A request with the form `fields`, the authentication of the client, and `more`, which
-- is encoded already.
local function form_request(options, client, url, now, fields, more)
  local headers = { Accept = "application/json", ["Content-Type"] = "application/x-www-form-urlencoded" }
  local audience = options.issuer or options.token_url
  local ok, err = client_auth.add(options.client_auth, client, audience, now, fields, headers)
  if not ok then return nil, err end
  local body = encoding.form(fields)
  return "POST", url, headers, more and body .. "&" .. more or body
end

local function token_request(options, client, state, grant)
  local fields = { { "grant_type", "refresh_token" }, { "refresh_token", grant.refresh_token } }
  if grant.scope then fields[3] = { "scope", grant.scope } end
  local now = math.floor(grant.now or os.time())
  local method, url, headers, body = form_request(options, client, state.token_url, now, fields, grant.parameters)
  if not method then return nil, url end
  if options.idempotency_header and grant.idempotency_key then
    headers[options.idempotency_header] = grant.idempotency_key
  end
  if options.dpop then
    local proof, err = dpop.proof(grant.dpop_key or "", method, url, state.nonce, now)
    if not proof then return nil, err end
    headers.DPoP = proof
  end
  return method, url, headers, body
end

-- For an issuer without token_url: before the first request, the URLs are fetched in turn
-- until `read` accepts an answer.
local function discovery(options, state)
  return {
    urls = metadata.urls(options.issuer),
    read = function(answer)
      local found, failure = metadata.read(answer, options.issuer)
      if not found then return nil, failure end
      state.token_url, state.revocation_url = found.token_url, found.revocation_url
      return true
    end,
  }
end

-- The tokens of a log-in for `keeper:add`: the answer of a token endpoint, as a table or
-- JSON text. -> tokens as `read` returns them | nil, the fault
local function tokens_of(given)
  local value = given
  if type(given) == "string" then value = json.decode(pasted.without_mark(given)) end
  if type(value) ~= "table" or json.is_array(value) then
    return nil, "a JSON object with access_token and refresh_token is expected"
  end
  local tokens = token_answer.tokens(value)
  local error_code = not tokens and type(value.error) == "string" and #value.error <= 64 and value.error:match "^[%w_]+$"
  if error_code then return nil, ("the server answered with the error '%s': log in again"):format(error_code) end
  if not tokens then return nil, "access_token and refresh_token must be strings" end
  if not tokens.refresh_token then
    return nil, "refresh_token is missing: log in with a scope that gives one, often offline_access"
  end
  local key_text = value.dpop_key
  if key_text ~= nil then
    local key = type(key_text) == "string" and core.key_from_text(key_text)
    if not key then return nil, "dpop_key must be a P-256 private key: PEM, or PKCS#8 in base64" end
    key:close()
    tokens.dpop_key = key_text
  end
  return tokens
end

-- The parameters of the next request, which are the same in each replay. The DPoP key is
-- that of the session, since the server binds tokens to it (RFC 9449 section 5).
local function grant_of(options, tokens)
  local dpop_key, err
  if options.dpop then
    dpop_key = tokens.dpop_key
    if not dpop_key then dpop_key, err = contract.new_key() end
    if not dpop_key then return nil, err end
  end
  return { scope = options.scope, parameters = parameters_text(options.parameters), dpop_key = dpop_key }
end

---@class (exact) grid.Exchange
---@field name string
---@field reuse "strict"|"grace"|"idempotent"
---@field reuse_seconds number?
---@field transport table options of grid.http.new for the sender
---@field discovery { urls: string[], read: fun(answer: grid.HttpAnswer): true?, table? }? fetched before the first request
---@field tokens fun(given: table|string): table?, string? of a log-in, as `read` returns them | nil, the fault
---@field grant fun(tokens: table): table?, any texts for the intent; the key that opens the answer, if the answer is sealed
---@field request fun(grant: table): string?, any, table?, string? method, url, headers, body | nil, error
---@field read fun(answer: grid.HttpAnswer, grant: table): table?, grid.exchange.Failure?
---@field revoke? fun(tokens: table, now: number?): string?, any, table?, string? as `request`; `now`: on the clock of the server;
--- nil alone: the server has no such endpoint

-- `state` has the endpoints and the nonce.
local function functions(options, client, state)
  local function request(grant)
    contract.check_grant("exchange.request", grant)
    if not state.token_url then return nil, no_endpoint(options) end
    return token_request(options, client, state, grant)
  end
  -- Pure but for the nonce, which saves the next request a refusal (RFC 9449 8.2).
  local function read(answer, grant)
    contract.check_read(answer, grant)
    state.nonce = dpop.nonce_of(answer.headers) or state.nonce
    return token_answer.read(answer, function() return secrets_of(client, grant) end)
  end
  local function revoke(tokens, now)
    contract.check_grant("exchange.revoke", tokens)
    if not state.revocation_url then return nil end
    local fields = { { "token", tokens.refresh_token }, { "token_type_hint", "refresh_token" } }
    return form_request(options, client, state.revocation_url, math.floor(now or os.time()), fields)
  end
  return request, read, revoke
end

local function place_of(options)
  return (options.token_url or options.issuer):match "^[^?]*"
end

--- An exchange with an authorization server. Raises for options that are wrong or
--- contradict each other.
---@param given grid.OAuth2Options
---@return grid.Exchange
function oauth2.new(given)
  local options = resolve(given)
  local client = client_auth.client(WHAT, options.client_auth, options)
  local state = { token_url = options.token_url, revocation_url = options.revocation_url }
  local request, read, revoke = functions(options, client, state)
  return contract.new({
    name = "oauth2", reuse = options.reuse, reuse_seconds = options.reuse_seconds, transport = contract.transport_of(options),
    tokens = tokens_of, grant = function(tokens) return grant_of(options, tokens) end,
    request = request, read = read, revoke = revoke,
    discovery = not options.token_url and discovery(options, state) or nil,
  }, place_of(options))
end

return oauth2
