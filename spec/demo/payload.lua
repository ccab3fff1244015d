-- What may be told of a kms_payload: when its parts expire, and their fingerprints. Liberal: what is missing is nil.

local cjson = require "cjson"
local sha256 = require "spec.demo.sha256"

local payload = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

local function base64url_decode(text)
  local bytes, bits, count = {}, 0, 0
  for letter in text:gmatch "[%w_-]" do
    bits, count = bits << 6 | ALPHABET:find(letter, 1, true) - 1, count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 0xff)
      bits = bits & (1 << count) - 1
    end
  end
  return table.concat(bytes)
end

-- When a JWT expires, in seconds (RFC 7519, 4.1.4); nil for anything else.
local function expiry_of_token(token)
  local claims = type(token) == "string" and token:match "^[%w_-]+%.([%w_-]+)%."
  local ok, value = pcall(cjson.decode, claims and base64url_decode(claims))
  return ok and type(value) == "table" and tonumber(value.exp) or nil
end

-- Milliseconds or seconds: sources differ.
local function seconds(time)
  if type(time) ~= "number" then return nil end
  return time > 1e11 and time / 1000 or time
end

local function fingerprint(secret)
  return type(secret) == "string" and secret ~= "" and sha256(secret):sub(1, 8) or nil
end

local function at(value, ...)
  for _, name in ipairs { ... } do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value
end

local function privy_of(text)
  local ok, value = pcall(cjson.decode, text)
  return at(ok and value, "session", "Privy")
end

--- The refresh token itself, or nil: not to be shown.
function payload.refresh_token(text)
  local token = at(privy_of(text), "refresh_token")
  return type(token) == "string" and token or nil
end

--- A list of { name, fingerprint?, expires? }, in an order to be read in. `expires` is in seconds since 1970.
function payload.describe(text)
  local privy = privy_of(text)
  local key = at(privy, "session")
  return {
    { name = "authorization key", fingerprint = fingerprint(at(key, "encrypted_authorization_key", "ciphertext")),
      expires = seconds(at(key, "expires_at")) },
    { name = "user token", fingerprint = fingerprint(at(privy, "token")), expires = expiry_of_token(at(privy, "token")) },
    { name = "access token", fingerprint = fingerprint(at(privy, "privy_access_token")),
      expires = expiry_of_token(at(privy, "privy_access_token")) },
    { name = "refresh token", fingerprint = fingerprint(at(privy, "refresh_token")) },
  }
end

return payload
