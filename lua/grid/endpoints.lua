-- The session calls of Grid's API, and the door to any other: what goes out, and what the answer must hold.
-- Owns: paths, fields and bodies of /auth. Each builder returns a plan, or nil and an error.
-- Knows nothing of connections, tries and hosts.

local core = require "grid.core"
local errors = require "grid.errors"
local json = require "grid.json"
local plans = require "grid.plan"
local shape = require "grid.shape"

local endpoints = {}

-- What a stored session holds, and must be of the right type where it stands. Liberal: what is absent or null may be so, except
-- for the two objects that hold all the others.
local PRIVY_TEXTS = { "token", "refresh_token", "privy_access_token" }

local function is_wrong(value, expected)
  return value ~= nil and value ~= json.null and type(value) ~= expected
end

local function find_fault(payload)
  if type(payload.session) ~= "table" then return "session" end
  local privy = payload.session.Privy
  if type(privy) ~= "table" then return "session.Privy" end
  for _, name in ipairs(PRIVY_TEXTS) do
    if is_wrong(privy[name], "string") then return "session.Privy." .. name end
  end
  local inner = privy.session
  if is_wrong(inner, "table") then return "session.Privy.session" end
  if type(inner) == "table" and is_wrong(inner.expires_at, "number") then return "session.Privy.session.expires_at" end
  if is_wrong(payload.provider, "string") then return "provider" end
end

local function check_session(payload)
  if type(payload) ~= "table" then return "the answer has no kms_payload" end
  local fault = find_fault(payload)
  if fault then return ("kms_payload.%s is not what it should be"):format(fault) end
end

local function finish_refresh(res, slice, exact)
  local problem = check_session(type(res.data) == "table" and res.data.kms_payload)
  if problem then return problem end
  res.kms_payload_json = exact or slice("kms_payload")
end

---@class (exact) grid.RefreshRequest
---@field encryption_public_key string base64 of the SPKI DER of a P-256 key
---@field kms_payload? string|table JSON text (sent byte for byte) or a table; nil or grid.null in the cookie flow
local REFRESH = {
  encryption_public_key = { type = "string", required = true, check = shape.not_empty },
  kms_payload = { type = { "string", "table", type(json.null) } },
}

local function is_present(value)
  return value ~= nil and value ~= json.null
end

-- A table whose kind of session was looked at here needs no second look as text.
local function is_checked(payload)
  if type(payload) ~= "table" then return false end
  local session = payload.session
  return type(session) ~= "table" or not is_present(session.Turnkey)
end

local function payload_text(payload)
  if payload == nil or payload == json.null or type(payload) == "string" then
    return payload ~= json.null and payload or nil
  end
  return json.encode(payload)
end

--- POST /auth/refresh-session
function endpoints.refresh_session(what, request)
  shape.check(what, REFRESH, request)
  if type(request.kms_payload) == "userdata" and request.kms_payload ~= json.null then
    shape.check_field(what, "kms_payload", { type = { "string", "table" } }, request.kms_payload)
  end
  local payload, kind, code, message = payload_text(request.kms_payload)
  if kind then return nil, errors.from_core(kind, code, message) end
  local body
  body, kind, code, message = core.refresh_body(request.encryption_public_key, payload, is_checked(request.kms_payload))
  if not body then return nil, errors.from_core(kind, code, message) end
  return { method = "POST", path = "/auth/refresh-session", body = body, exact = "kms_payload", finish = finish_refresh }
end

---@class (exact) grid.InitAuthRequest
---@field email string
---@field provider? string "privy"
local INIT_AUTH = {
  email = { type = "string", required = true, check = shape.not_empty },
  provider = { type = "string", check = shape.not_empty },
}

--- POST /auth
function endpoints.init_auth(what, request)
  shape.check(what, INIT_AUTH, request)
  return plans.new("POST", "/auth", { email = request.email, provider = request.provider or "privy" })
end

---@class (exact) grid.CompleteAuthRequest
---@field email string
---@field otp_code string
---@field encryption_public_key string base64 of the SPKI DER of a P-256 key
---@field otp_id? string of init_auth's answer, where several are pending
local COMPLETE_AUTH = {
  email = { type = "string", required = true, check = shape.not_empty },
  otp_code = { type = "string", required = true, check = shape.not_empty },
  encryption_public_key = { type = "string", required = true, check = shape.not_empty },
  otp_id = { type = "string", check = shape.not_empty },
}

-- The first authentication of the answer is what refresh-session takes as kms_payload.
local function finish_complete_auth(res, slice)
  local authentication = type(res.data) == "table" and res.data.authentication
  local problem = check_session(type(authentication) == "table" and authentication[1])
  if problem then return (problem:gsub("kms_payload", "authentication")) end
  res.kms_payload_json = slice("authentication", 1)
end

--- POST /auth/verify
function endpoints.complete_auth(what, request)
  shape.check(what, COMPLETE_AUTH, request)
  return plans.new("POST", "/auth/verify", {
    email = request.email,
    otp_code = request.otp_code,
    kms_provider = "privy",
    kms_provider_config = { encryption_public_key = request.encryption_public_key, otp_id = request.otp_id },
  }, finish_complete_auth)
end

local METHODS = shape.one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

local function check_path(path)
  if not path:find("^/[^%s%c#\128-\255]*$") then return "a path that begins with / and holds no blanks" end
end

local REQUEST = {
  method = { type = "string", required = true, check = METHODS },
  path = { type = "string", required = true, check = check_path },
  body = { type = { "string", "table" } },
}

--- Any other endpoint.
function endpoints.request(what, method, path, body)
  shape.check(what, REQUEST, { method = method, path = path, body = body })
  if type(body) == "table" then
    local text, kind, code, message = json.encode(body)
    if not text then return nil, errors.from_core(kind, code, message) end
    body = text
  elseif body then
    local value, _, code, message = json.decode(body)
    if value == nil then return nil, errors.from_core("request", code, "the body: " .. message) end
  end
  return { method = method, path = path, body = body }
end

return endpoints
