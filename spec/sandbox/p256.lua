-- P-256 keys on libcrypto: pairs, Diffie-Hellman, signatures checked. A private key is an
-- EVP_PKEY that Lua's collector frees; a public key is its point in uncompressed form, 65
-- bytes.
-- Does not know: base64.

local ffi = require "ffi"
local libcrypto = require "sandbox.libcrypto"

local C = ffi.C
local own, succeeded = libcrypto.own, libcrypto.succeeded

local p256 = {}

local SCALAR, POINT = 32, 65

local scalar_buffer = ffi.new("unsigned char[?]", SCALAR)
local point_buffer = ffi.new("unsigned char[?]", POINT)
local length = ffi.new "size_t[1]"

function p256.generate()
  return own(C.EVP_PKEY_Q_keygen(nil, nil, "EC", "P-256"), C.EVP_PKEY_free)
end

local parameters = p256.generate() -- a key to copy the curve from

--- The 32 bytes of a private key's scalar.
function p256.scalar(private)
  local number = ffi.new "BIGNUM *[1]"
  assert(succeeded(C.EVP_PKEY_get_bn_param(private, "priv", number)))
  assert(C.BN_bn2binpad(number[0], scalar_buffer, SCALAR) == SCALAR)
  C.BN_clear_free(number[0])
  return ffi.string(scalar_buffer, SCALAR)
end

--- The point of a private key's public half.
function p256.point(private)
  assert(succeeded(C.EVP_PKEY_get_octet_string_param(private, "pub", point_buffer, POINT, length)))
  return ffi.string(point_buffer, length[0])
end

-- RFC 5958 around RFC 5915: version, { id-ecPublicKey, prime256v1 }, OCTET STRING {
-- SEQUENCE { 1, scalar [, [1] public key] } }. The two forms differ in lengths and in the
-- last member.
local ALGORITHM = "\2\1\0\48\19\6\7\42\134\72\206\61\2\1\6\8\42\134\72\206\61\3\1\7"
local SHORT = "\48\65" .. ALGORITHM .. "\4\39\48\37\2\1\1\4\32"
local LONG = "\48\129\135" .. ALGORITHM .. "\4\109\48\107\2\1\1\4\32"
local PUBLIC = "\161\68\3\66\0"

--- PKCS#8 DER: 138 bytes, or 67 without the public key.
function p256.pkcs8(private, without_public)
  if without_public then return SHORT .. p256.scalar(private) end
  return LONG .. p256.scalar(private) .. PUBLIC .. p256.point(private)
end

function p256.from_scalar(scalar)
  local der = SHORT .. scalar
  local start = ffi.new("const unsigned char *[1]", ffi.cast("const unsigned char *", der))
  return own(C.d2i_AutoPrivateKey(nil, start, #der), C.EVP_PKEY_free)
end

-- `point` was found on the curve when it came, see keys.lua.
local function public_key(point)
  local key = own(C.EVP_PKEY_new(), C.EVP_PKEY_free)
  assert(succeeded(C.EVP_PKEY_copy_parameters(key, parameters)))
  assert(succeeded(C.EVP_PKEY_set1_encoded_public_key(key, point, #point)))
  return key
end

--- The x coordinate that both sides come to.
function p256.shared(private, point)
  local peer = public_key(point)
  local context = own(C.EVP_PKEY_CTX_new(private, nil), C.EVP_PKEY_CTX_free)
  assert(succeeded(C.EVP_PKEY_derive_init(context)))
  assert(succeeded(C.EVP_PKEY_derive_set_peer_ex(context, peer, 0)))
  length[0] = SCALAR
  assert(succeeded(C.EVP_PKEY_derive(context, scalar_buffer, length)))
  return ffi.string(scalar_buffer, SCALAR)
end

--- Whether `signature`, DER of ECDSA with SHA-256, is one over `text` by the key of
--- `point`.
function p256.verifies(point, text, signature)
  local key = public_key(point)
  local context = own(C.EVP_MD_CTX_new(), C.EVP_MD_CTX_free)
  assert(succeeded(C.EVP_DigestVerifyInit(context, nil, libcrypto.SHA256, nil, key)))
  return succeeded(C.EVP_DigestVerify(context, signature, #signature, text, #text))
end

return p256
