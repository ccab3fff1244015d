-- Reads the answer of a token endpoint (RFC 6749 sections 5.1 and 5.2): its tokens, or a
-- failure.
-- Owns: the kinds of failure, and their texts, from which secrets of the request are
-- removed. Pure: values in, values out.
-- Does not know: how requests are built, and when a request is repeated.

local display = require "grid.display"
local dpop = require "grid.exchange.dpop"
local json = require "grid.json"
local outcome = require "grid.outcome"
local pasted = require "grid.pasted"
local redact = require "grid.http.redact"

local token_answer = {}

local MAX_SHOWN = 1024 -- bytes of a text that are searched for secrets; one line shows less

-- An assertion, a proof or a token, which an answer may echo.
local JWT = "eyJ[%w_-]*%.[%w_.-]*"

---@class (exact) grid.exchange.Failure
---@field kind "reject"|"unknown"|"refused" the refresh token is invalid; executed or not is unknown; not executed
---@field code string of the server, else of lua-grid
---@field message string one line, without secrets
---@field status integer
---@field nonce? string of `use_dpop_nonce`: the request may be sent again immediately, with this nonce

-- -> code and message, with the texts of the server if these can be searched for secrets
local function shown(body, secrets_of, status)
  local code, message = "http_" .. status, "the token endpoint answered with status " .. status
  local secrets = json.encode(secrets_of())
  local hidden = secrets and redact.new("", secrets, "")
  if not hidden then return code, message end
  local error_code, description = display.seen(body.error), display.seen(body.error_description)
  if error_code then
    code = display.one_line(hidden:name((error_code:sub(1, MAX_SHOWN):gsub(JWT, "[redacted]"))))
    message = ("the token endpoint answered with status %d: %s"):format(status, code)
  end
  if description then message = display.one_line(hidden:beginning((description:gsub(JWT, "[redacted]")), MAX_SHOWN)) end
  return code, message
end

local function number_or_nil(value)
  if type(value) == "number" then return value end
end

--- The tokens in a decoded answer | nil: no access token, or a refresh token that is no
--- text and cannot be kept
---@param value any
function token_answer.tokens(value)
  if type(value) ~= "table" or not json.text(value.access_token) then return nil end
  local refresh_token = json.at(value, "refresh_token")
  if refresh_token ~= nil and type(refresh_token) ~= "string" then return nil end
  -- The members that a keeper reads. A record also has the exact bytes of the answer.
  return {
    access_token = value.access_token, refresh_token = json.text(refresh_token),
    token_type = json.text(value.token_type), scope = json.text(value.scope), id_token = json.text(value.id_token),
    expires_in = number_or_nil(value.expires_in), expires_at = number_or_nil(value.expires_at),
  }
end

-- Other codes and statuses do not end a session: a proxy may have sent them, and they may
-- be temporary.
local function is_rejected(status, code)
  return (status == 400 or status == 401) and code == "invalid_grant"
end

-- GitHub refuses a refresh token with status 200.
local function is_refusal(body)
  return json.text(body.error) and body.access_token == nil and body.refresh_token == nil
end

-- 409 may mean that a request with the same idempotency key is being executed.
local function kind_of(status, body)
  if is_rejected(status, body.error) then return "reject" end
  if outcome.is_success(status) then return is_refusal(body) and "refused" or "unknown" end
  if status == 409 then return "unknown" end
  return outcome.of("yes", status) == "unknown" and "unknown" or "refused"
end

--- The tokens of an answer | nil, the failure.
---@param answer { status: integer, headers: table<string, string>, body: string }
---@param secrets_of fun(): table<string, string> those of the request, by names that grid.http.redact takes for secrets
---@return table? tokens, grid.exchange.Failure?
function token_answer.read(answer, secrets_of)
  local status = answer.status
  local value = json.decode(pasted.without_mark(answer.body))
  local tokens = outcome.is_success(status) and token_answer.tokens(value)
  if tokens then return tokens end
  local body = type(value) == "table" and value or {}
  local failure = { kind = kind_of(status, body), status = status }
  failure.code, failure.message = shown(body, secrets_of, status)
  if failure.kind == "reject" then
    failure.code = body.error
  elseif failure.kind == "unknown" and outcome.is_success(status) then
    failure.code, failure.message = "unreadable", ("the token endpoint answered with status %d and no tokens"):format(status)
  elseif failure.kind == "refused" and body.error == "use_dpop_nonce" then
    failure.nonce = dpop.nonce_of(answer.headers)
  end
  return nil, failure
end

return token_answer
