-- The encrypted authorization key of a session. For now it is opaque: random bytes in the right shape and of the
-- right lengths, which no one can open. True sealing needs to replace these two functions only.

local bytes = require "sandbox.bytes"
local encode_base64 = ngx.encode_base64

local seal = {}

local TAG = 16 -- bytes that ChaCha20-Poly1305 adds

---The text that is sealed: base64 of a PKCS#8 private key of 138 bytes.
function seal.new_private_key()
  return encode_base64(bytes.random(138))
end

---@param _public_key string base64 SPKI to seal for
---@param private_key_text string
---@return string encapsulated_key, string ciphertext  both base64
function seal.seal(_public_key, private_key_text)
  return encode_base64("\4" .. bytes.random(64)), encode_base64(bytes.random(#private_key_text + TAG))
end

return seal
