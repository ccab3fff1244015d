-- Reads claims of JSON Web Tokens (RFC 7519), and signs tokens.
-- Owns: the encoding of the parts of a token. Pure but for the random number of a
-- signature: values in, values out.
-- Does not know: sessions; signatures of others, which the server of a token checks.

local core = require "grid.core"
local errors = require "grid.errors"
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

-- -> text | nil, error
local function encoded(value)
  local text, err = errors.core_result(json.encode(value))
  if not text then return nil, err end
  return assert(core.base64url_encode(text))
end

--- A token in compact form, signed with ES256 (RFC 7515 section 3.1, RFC 7518 section
--- 3.4). Sets the header `alg`.
---@param key grid.core.key
---@param header table
---@param claims table texts and numbers; a text that is not valid UTF-8 is an error
---@return string? token, grid.Error?
function jwt.sign(key, header, claims)
  local whole = { alg = "ES256" }
  for name, value in pairs(header) do whole[name] = value end
  local first, err = encoded(whole)
  local second
  if first then second, err = encoded(claims) end
  if not second then return nil, err end
  local text = first .. "." .. second
  local signature
  signature, err = errors.core_result(key:sign_raw(text))
  if not signature then return nil, err end
  return text .. "." .. assert(core.base64url_encode(signature))
end

return jwt
