-- The authorization key of a session, sealed to the public key that was sent for it (HPKE
-- with empty info and aad).
-- Owns: how the private key is written before it is sealed, and the opaque stand-in of
-- the setting `seal`.
-- Does not know: tokens, HTTP.

local bytes = require "sandbox.bytes"
local hpke = require "sandbox.hpke"
local keys = require "sandbox.keys"
local p256 = require "sandbox.p256"
local settings = require "sandbox.settings"
local encode_base64 = ngx.encode_base64

local seal = {}

local OPAQUE = 184 + 16 -- bytes: the base64 of 138 and the tag of ChaCha20-Poly1305

local forms = {}

function forms.pkcs8(private) return encode_base64(p256.pkcs8(private)) end

function forms.pkcs8_short(private) return encode_base64(p256.pkcs8(private, true)) end

-- RFC 7468: lines of 64 letters.
function forms.pem(private)
  local lines = encode_base64(p256.pkcs8(private)):gsub(("."):rep(64), "%0\n")
  return "-----BEGIN PRIVATE KEY-----\n" .. lines .. "\n-----END PRIVATE KEY-----\n"
end

local PREFIXES = { none = "", ["wallet-auth"] = "wallet-auth:", ["wallet-api"] = "wallet-api:" }

--- A new authorization key for the holder of the private half of `public_key` (base64
--- SPKI, checked before).
---@return string encapsulated_key, string ciphertext, string|nil point  both base64; its public half, nil if opaque
function seal.authorization_key(public_key)
  if not settings.current.seal then
    return encode_base64("\4" .. bytes.random(64)), encode_base64(bytes.random(OPAQUE))
  end
  local private = p256.generate()
  local text = PREFIXES[settings.current.key_prefix] .. forms[settings.current.key_form](private)
  local enc, ciphertext = hpke.seal(keys.point(public_key), "", "", text)
  return encode_base64(enc), encode_base64(ciphertext), p256.point(private)
end

return seal
