-- What servers do with signed tokens, for specs: takes them apart, and checks signatures
-- with the program `openssl`. Does not know: what the claims should be.

local core = require "grid.core"
local encoding = require "grid.exchange.encoding"
local json = require "grid.json"

local verify = {}

local function write(bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

-- One half of a raw signature as an INTEGER of DER.
local function integer(bytes)
  bytes = bytes:gsub("^%z+", "")
  if bytes == "" or bytes:byte() >= 128 then bytes = "\0" .. bytes end
  return "\2" .. string.char(#bytes) .. bytes
end

local function der_of(signature)
  assert(#signature == 64, "a signature of ES256 has 64 bytes, got " .. #signature)
  local both = integer(signature:sub(1, 32)) .. integer(signature:sub(33))
  return "\48" .. string.char(#both) .. both
end

-- The SPKI DER of a P-256 key up to its point.
local PREFIX = "\48\89\48\19\6\7\42\134\72\206\61\2\1\6\8\42\134\72\206\61\3\1\7\3\66\0\4"

--- The public key of a JWK, as grid.core gives public keys.
function verify.public_key(jwk)
  return encoding.base64(PREFIX .. core.base64url_decode(jwk.x) .. core.base64url_decode(jwk.y))
end

--- Is `token` signed by that key? -> header, claims | raises
function verify.jws(token, public_key)
  local text, head, body, signature = token:match "^(([%w_-]+)%.([%w_-]+))%.([%w_-]+)$"
  assert(text, "not a token in compact form")
  local pem = "-----BEGIN PUBLIC KEY-----\n" .. public_key:gsub(("."):rep(64), "%0\n") .. "\n-----END PUBLIC KEY-----\n"
  local paths = { write(pem), write(der_of(core.base64url_decode(signature))), write(text) }
  local pipe = assert(io.popen(("openssl dgst -sha256 -verify %s -signature %s %s 2>&1"):format(paths[1], paths[2], paths[3])))
  local said = pipe:read "*a"
  pipe:close()
  for _, path in ipairs(paths) do os.remove(path) end
  assert(said:find "^Verified OK", said)
  return json.decode(core.base64url_decode(head)), json.decode(core.base64url_decode(body))
end

--- The fields of a form, by name; a name that stands twice raises.
function verify.form(body)
  local fields = {}
  for name, value in body:gmatch "([^&=]+)=([^&]*)" do
    local function plain(text)
      return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
    end
    assert(fields[plain(name)] == nil, "twice in the form: " .. name)
    fields[plain(name)] = plain(value)
  end
  return fields
end

return verify
