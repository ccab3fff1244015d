-- Builds the refresh of a session in Grid's API.
-- Owns: its path and fields, and the checks of a session and of a public key. The builder
-- returns an operation | nil, error.
-- Does not know: connections, attempts and hosts.

local errors = require "grid.errors"
local json = require "grid.json"
local operations = require "grid.api.operation"
local refresh_body = require "grid.api.refresh_body"
local schema = require "grid.schema"
local session = require "grid.api.session"

local auth = {}

--- The fault of a decoded kms_payload as a phrase | nil
function auth.session_problem(payload)
  if type(payload) ~= "table" then return "the answer has no kms_payload" end
  return session.problem(payload)
end

local function check_refreshed(data)
  return auth.session_problem(type(data) == "table" and data.kms_payload)
end

local REFRESHED_SESSION = { "kms_payload" }

---@class (exact) grid.RefreshRequest
---@field encryption_public_key string base64 of the SPKI DER of a P-256 key
---@field kms_payload? string|table JSON text (sent byte for byte) or a table; nil or grid.null in the cookie flow
local REFRESH = {
  encryption_public_key = { type = "string", required = true, check = schema.not_empty },
  kms_payload = { type = { "string", "table" }, or_null = true },
}

-- The texts that grid.keypair and grid.authorization_key accept: PEM, "wallet-auth:", and
-- base64 of DER that begins with a version, 0 (PKCS#8) or 1 (SEC 1). The DER of a public
-- key begins with an algorithm (RFC 5280 section 4.1).
local PRIVATE_KEYS = { "PRIVATE KEY", "^%s*wallet%-auth:", "^%s*MI..AgE[AB]", "^%s*M..CAQ[AE]" }

-- The last public key, which most calls of a program share, is not checked again.
local last_public_key

--- Refuses a private key: the caller may have passed keys:export() instead of
--- keys.public_key. -> error | nil
function auth.check_public_key(text)
  if text == last_public_key then return nil end
  for _, pattern in ipairs(PRIVATE_KEYS) do
    if text:find(pattern) then
      return errors.new {
        kind = "request", code = "private_key", message = "encryption_public_key is a private key, which must not be sent",
      }
    end
  end
  last_public_key = text
end

--- A checked copy of a request. Raises the same misuse as auth.refresh_session.
function auth.check_refresh(what, request)
  schema.check(what, REFRESH, request, "request")
  return { encryption_public_key = request.encryption_public_key, kms_payload = request.kms_payload }
end

--- POST /auth/refresh-session
function auth.refresh_session(what, request)
  schema.check(what, REFRESH, request, "request")
  local problem = auth.check_public_key(request.encryption_public_key)
  if problem then return nil, problem end
  local body, sent = refresh_body.new(request.encryption_public_key, json.at(request, "kms_payload"))
  if not body then return nil, sent end
  return operations.new {
    method = "POST", path = "/auth/refresh-session", body = body, check = check_refreshed,
    session_at = REFRESHED_SESSION, session_sent = sent,
  }
end

return auth
