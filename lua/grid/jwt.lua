-- Reads claims of JSON Web Tokens (RFC 7519).
-- Pure: values in, values out.
-- Does not know: sessions; signatures, which the server of a token checks.

local core = require "grid.core"
local json = require "grid.json"

local jwt = {}

--- Claim `exp`, seconds since 1970 on the clock of the issuer (RFC 7519 section 4.1.4)
--- | nil: `token` is not a JSON Web Token, or has no such claim
---@param token any
---@return number?
function jwt.expiry(token)
  local claims = type(token) == "string" and token:match "^[%w_-]+%.([%w_-]+)%.[%w_-]*$"
  local text = claims and core.base64url_decode(claims)
  local value = text and json.decode(text)
  local exp = type(value) == "table" and value.exp
  return type(exp) == "number" and exp or nil
end

return jwt
