-- Builds the operations of a log-in in Grid's API.
-- Owns: paths, fields and bodies of /auth and /auth/verify, and the checks of the
-- answers. Each builder returns an operation | nil, error.
-- Does not know: connections, attempts and hosts.

local auth = require "grid.api.auth"
local json = require "grid.json"
local operations = require "grid.api.operation"
local schema = require "grid.schema"

local login = {}

---@class (exact) grid.InitAuthRequest
---@field email string
---@field provider? string "privy"
local INIT_AUTH = {
  email = { type = "string", required = true, check = schema.not_empty },
  provider = { type = "string", check = schema.not_empty },
}

--- POST /auth
function login.init_auth(what, request)
  schema.check(what, INIT_AUTH, request, "request")
  return operations.new {
    method = "POST", path = "/auth", check = operations.check_object,
    fields = { email = request.email, provider = request.provider or "privy" },
  }
end

---@class (exact) grid.CompleteAuthRequest
---@field email string
---@field otp_code string
---@field encryption_public_key string base64 of the SPKI DER of a P-256 key
---@field otp_id? string from the answer of init_auth, if several passwords are pending; null is none
local COMPLETE_AUTH = {
  email = { type = "string", required = true, check = schema.not_empty },
  otp_code = { type = "string", required = true, check = schema.not_empty },
  encryption_public_key = { type = "string", required = true, check = schema.not_empty },
  otp_id = { type = { "string" }, or_null = true, check = schema.not_empty },
}

-- The first element of `authentication` has the form of refresh-session's kms_payload.
local function check_verified(data)
  local authentication = type(data) == "table" and data.authentication
  local problem = auth.session_problem(type(authentication) == "table" and authentication[1])
  return problem and problem:gsub("kms_payload", "authentication")
end

local VERIFIED_SESSION = { "authentication", 1 }

--- POST /auth/verify
function login.complete_auth(what, request)
  schema.check(what, COMPLETE_AUTH, request, "request")
  local problem = auth.check_public_key(request.encryption_public_key)
  if problem then return nil, problem end
  return operations.new {
    method = "POST", path = "/auth/verify", check = check_verified, session_at = VERIFIED_SESSION, fields = {
      email = request.email,
      otp_code = request.otp_code,
      kms_provider = "privy",
      kms_provider_config = { encryption_public_key = request.encryption_public_key, otp_id = json.at(request, "otp_id") },
    },
  }
end

return login
