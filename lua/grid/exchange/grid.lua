-- Builds the request of a Grid refresh (POST /auth/refresh-session) with the options of a
-- client, and reads the answer. Sends no request.
-- The refresh token of a grant is the whole kms_payload, which the service expects byte
-- for byte. The opener is the private key of a new pair for each grant.
-- Owns: the error codes that end a session.
-- Does not know: keepers, stores and calls.

local argument = require "grid.argument"
local auth = require "grid.api.auth"
local contract = require "grid.exchange.contract"
local json = require "grid.json"
local keys = require "grid.keys"
local pasted = require "grid.pasted"
local requests = require "grid.api.request"
local response = require "grid.api.response"
local schema = require "grid.schema"
local session = require "grid.api.session"

local exchange = {}

local WHAT = "grid.exchange.grid"

---@class (exact) grid.GridExchangeOptions
---@field client grid.Client whose options are used; the client sends no request
---@field reuse? "strict"|"grace"|"idempotent" default "strict"
---@field reuse_seconds? number of grace and idempotent
exchange.options = {
  client = { type = "table", required = true },
  reuse = contract.REUSE.reuse,
  reuse_seconds = contract.REUSE.reuse_seconds,
}

-- The codes with which the service rejects the refresh token.
local REJECTING = {
  invalid_grant = true, invalid_refresh_token = true, refresh_token_expired = true, refresh_token_reused = true,
  session_revoked = true,
}

-- -> grid.http.Request, grid.KeyPair | nil, error
local function build(client, grant)
  local pair, err = keys.keypair(grant.opener)
  if not pair then return nil, err end
  local operation
  operation, err = auth.refresh_session("exchange.request", {
    encryption_public_key = pair.public_key, kms_payload = grant.refresh_token,
  })
  local request
  if operation then request, err = requests.new(client, operation, { idempotency_key = grant.idempotency_key }) end
  if request then return request, pair end
  pair:close()
  return nil, err
end

local function headers_of(request)
  local headers = {}
  for _, line in ipairs(request.headers) do
    local name, value = (line or ""):match "^([^:]*): (.*)$"
    if name then headers[name] = value end
  end
  return headers
end

local function failure(err)
  local status = err.status
  local is_rejected = (status == 400 or status == 401) and REJECTING[err.code]
  local is_unknown = err.outcome == "unknown" or status == 409
  return {
    kind = is_rejected and "reject" or is_unknown and "unknown" or "refused",
    code = err.code, message = err.message, status = status, request_id = err.request_id,
  }
end

local function read_session(answer, grant, request, pair)
  local res, err = response.judge({
    sent = "yes", status = answer.status, headers = answer.headers, cookies = answer.cookies or {}, bytes = #answer.body,
    content = answer.body, attempts = 1,
  }, request)
  if not res then return nil, failure(err) end
  local opened
  opened, err = pair:open(res.kms_payload_json)
  if not opened then
    return nil, { kind = "unknown", code = "not_opened", message = err.message, status = answer.status }
  end
  opened:close()
  return {
    refresh_token = res.kms_payload_json, private_key = grant.opener, address = grant.address, expires_at = res.expires_at,
  }
end

local function read_from(client, answer, grant)
  contract.check_read(answer, grant)
  local request, pair = build(client, grant)
  if not request then return nil, { kind = "unknown", code = pair.code, message = pair.message, status = answer.status } end
  local tokens, problem = read_session(answer, grant, request, pair)
  pair:close()
  return tokens, problem
end

local function request_from(client, grant)
  contract.check_grant("exchange.request", grant)
  local request, pair = build(client, grant)
  if not request then return nil, pair end
  pair:close()
  return request.method, request.url, headers_of(request), request.body
end

-- The tokens of a log-in for `keeper:add`: a session file, { kms_payload, private_key,
-- address }, as a table or JSON text. -> tokens as `read` returns them | nil, the fault
local function tokens_of(given)
  local text = type(given) == "string" and pasted.without_mark(given)
  if text then given = json.decode(text) end
  if type(given) ~= "table" then return nil, "a session file is expected: a JSON object" end
  local payload = given.kms_payload
  if type(payload) == "table" then payload = text and json.slice(text, "kms_payload") or json.encode(payload) end
  local decoded = type(payload) == "string" and json.decode(payload)
  if type(decoded) ~= "table" then return nil, "kms_payload must be a JSON object" end
  local problem = session.problem(decoded)
  if problem then return nil, problem end
  local pair = type(given.private_key) == "string" and keys.keypair(given.private_key)
  if not pair then return nil, "private_key must be a P-256 private key: PEM, or PKCS#8 in base64" end
  pair:close()
  return {
    refresh_token = payload, private_key = given.private_key, expires_at = session.expires_at(decoded),
    address = type(given.address) == "string" and given.address or nil,
  }
end

-- The parameters of the next request, and its opener.
local function grant_of(tokens)
  local opener, err = contract.new_key()
  if not opener then return nil, err end
  return { address = tokens.address }, opener
end

local function check(given)
  schema.check(WHAT, exchange.options, given)
  local metatable = getmetatable(given.client)
  if type(metatable) ~= "table" or metatable.__name ~= "grid.client" then
    argument.raise("%s: 'client' must be a client of grid.new", WHAT)
  end
  contract.check_reuse(WHAT, given.reuse or "strict", given.reuse_seconds)
end

--- The exchange of a client.
---@param given grid.GridExchangeOptions
---@return grid.Exchange
function exchange.new(given)
  check(given)
  local client = given.client
  return contract.new({
    name = "grid", reuse = given.reuse or "strict", reuse_seconds = given.reuse_seconds,
    transport = contract.transport_of(client.options),
    tokens = tokens_of, grant = grant_of,
    request = function(grant) return request_from(client, grant) end,
    read = function(answer, grant) return read_from(client, answer, grant) end,
  }, client.endpoint)
end

return exchange
