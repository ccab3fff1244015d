-- User tokens: JSON Web Tokens signed with a key of this process (HS256), so that a token
-- tells its session and expiry by itself and nothing has to be remembered for it.
-- Does not know: sessions.

local bytes = require "sandbox.bytes"
local json = require "sandbox.json"
local libcrypto = require "sandbox.libcrypto"

local jwt = {}

local secret = bytes.random(32)
local header = bytes.base64url '{"alg":"HS256","typ":"JWT"}'

local function sign(text)
  return bytes.base64url(libcrypto.hmac(secret, text))
end

---@param claims {id: integer, aud: string, session: string, user: string, issued: integer, expires: integer}  in seconds
function jwt.issue(claims)
  local text = header .. "." .. bytes.base64url('{"sid":"' .. claims.session .. '","iss":"grid-sandbox","aud":"'
    .. claims.aud .. '","sub":"' .. claims.user .. '","iat":' .. claims.issued .. ',"exp":' .. claims.expires
    .. ',"jti":"' .. claims.id .. '"}')
  return text .. "." .. sign(text)
end

--- The claims of a token that was issued here, whether or not it has expired; else nil.
function jwt.read(token)
  local text, payload, signature = token:match("^([%w_-]+%.([%w_-]+))%.([%w_-]+)$")
  if not text or sign(text) ~= signature then return nil end
  return json.decode(ngx.decode_base64((payload:gsub("[-_]", { ["-"] = "+", ["_"] = "/" }))))
end

return jwt
