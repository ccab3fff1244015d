-- HPKE (RFC 9180) base mode, sealing, of the one suite that Grid names: DHKEM(P-256,
-- HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; one message, sequence number 0. Bytes in,
-- bytes out. Names are the RFC's.
-- Does not know: sessions.

local ffi = require "ffi"
local libcrypto = require "sandbox.libcrypto"
local p256 = require "sandbox.p256"

local C = ffi.C
local hmac = libcrypto.hmac

local hpke = {}

local KEM_SUITE, SUITE = "KEM\0\16", "HPKE\0\16\0\1\0\3"
local NK, NN, NT, NSECRET = 32, 12, 16, 32
local CTRL_GET_TAG = 16 -- EVP_CTRL_AEAD_GET_TAG

-- RFC 9180 4. HKDF's Expand is one block here: nothing longer than a hash is asked of it.

local function labeled_extract(suite, salt, label, ikm)
  return hmac(salt, "HPKE-v1" .. suite .. label .. ikm)
end

local function labeled_expand(suite, prk, label, info, length)
  return hmac(prk, string.char(0, length) .. "HPKE-v1" .. suite .. label .. info .. "\1"):sub(1, length)
end

-- RFC 9180 4.1, Encap.
local function encap(point, ephemeral)
  local enc = p256.point(ephemeral)
  local eae_prk = labeled_extract(KEM_SUITE, "", "eae_prk", p256.shared(ephemeral, point))
  return labeled_expand(KEM_SUITE, eae_prk, "shared_secret", enc .. point, NSECRET), enc
end

local PSK_ID_HASH = labeled_extract(SUITE, "", "psk_id_hash", "")

-- RFC 9180 5.1, KeySchedule in mode base.
local function key_schedule(shared_secret, info)
  local context = "\0" .. PSK_ID_HASH .. labeled_extract(SUITE, "", "info_hash", info)
  local secret = labeled_extract(SUITE, shared_secret, "secret", "")
  return labeled_expand(SUITE, secret, "key", context, NK), labeled_expand(SUITE, secret, "base_nonce", context, NN)
end

local cipher = libcrypto.own(C.EVP_CIPHER_CTX_new(), C.EVP_CIPHER_CTX_free)
local CHACHA20_POLY1305 = C.EVP_chacha20_poly1305()
local written = ffi.new "int[1]"

local function encrypt(key, nonce, aad, plaintext)
  local out = ffi.new("unsigned char[?]", #plaintext + NT)
  local fine = C.EVP_EncryptInit_ex(cipher, CHACHA20_POLY1305, nil, key, nonce) == 1
    and C.EVP_EncryptUpdate(cipher, nil, written, aad, #aad) == 1
    and C.EVP_EncryptUpdate(cipher, out, written, plaintext, #plaintext) == 1
    and C.EVP_EncryptFinal_ex(cipher, out + #plaintext, written) == 1
    and C.EVP_CIPHER_CTX_ctrl(cipher, CTRL_GET_TAG, NT, out + #plaintext) == 1
  assert(fine, "ChaCha20-Poly1305 failed")
  return ffi.string(out, #plaintext + NT)
end

--- RFC 9180 6.1, SealBase.
---@param point string the recipient's public key, 65 bytes
---@param ephemeral any|nil a private key of p256.lua; a new one without
---@return string enc, string ciphertext
function hpke.seal(point, info, aad, plaintext, ephemeral)
  local shared_secret, enc = encap(point, ephemeral or p256.generate())
  local key, base_nonce = key_schedule(shared_secret, info)
  return enc, encrypt(key, base_nonce, aad, plaintext)
end

return hpke
