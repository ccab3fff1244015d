-- The functions of libcrypto 3.0 that the sandbox calls, all of EVP's level and none
-- deprecated. nginx has loaded the library anyway. Owns: the declarations, HMAC, and how
-- a failure is reported. Shares nothing with the library under test, which is judged by
-- what is built on this.
-- Does not know: keys of sessions.

local ffi = require "ffi"

ffi.cdef [[
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
typedef struct evp_md_ctx_st EVP_MD_CTX;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
typedef struct bignum_st BIGNUM;

const void *EVP_sha256(void);
int EVP_Q_digest(void *libctx, const char *name, const char *propq, const void *data, size_t size,
                 unsigned char *out, size_t *length);
unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *d, size_t n,
                    unsigned char *out, unsigned int *out_len);

EVP_PKEY *EVP_PKEY_new(void);
void EVP_PKEY_free(EVP_PKEY *key);
EVP_PKEY *EVP_PKEY_Q_keygen(void *libctx, const char *propq, const char *type, ...);
EVP_PKEY *d2i_AutoPrivateKey(EVP_PKEY **key, const unsigned char **der, long length);
int EVP_PKEY_copy_parameters(EVP_PKEY *to, const EVP_PKEY *from);
int EVP_PKEY_set1_encoded_public_key(EVP_PKEY *key, const unsigned char *point, size_t length);
int EVP_PKEY_get_octet_string_param(const EVP_PKEY *key, const char *name, unsigned char *buf, size_t max, size_t *length);
int EVP_PKEY_get_bn_param(const EVP_PKEY *key, const char *name, BIGNUM **number);
int BN_bn2binpad(const BIGNUM *number, unsigned char *to, int length);
void BN_clear_free(BIGNUM *number);

EVP_PKEY_CTX *EVP_PKEY_CTX_new(EVP_PKEY *key, void *engine);
void EVP_PKEY_CTX_free(EVP_PKEY_CTX *context);
int EVP_PKEY_derive_init(EVP_PKEY_CTX *context);
int EVP_PKEY_derive_set_peer_ex(EVP_PKEY_CTX *context, EVP_PKEY *peer, int validate);
int EVP_PKEY_derive(EVP_PKEY_CTX *context, unsigned char *secret, size_t *length);

EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *context);
int EVP_DigestVerifyInit(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const void *md, void *engine, EVP_PKEY *key);
int EVP_DigestVerify(EVP_MD_CTX *context, const unsigned char *signature, size_t length,
                     const unsigned char *text, size_t text_length);

const void *EVP_chacha20_poly1305(void);
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *context);
int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *context, int type, int arg, void *ptr);
int EVP_EncryptInit_ex(EVP_CIPHER_CTX *context, const void *cipher, void *engine,
                       const unsigned char *key, const unsigned char *nonce);
int EVP_EncryptUpdate(EVP_CIPHER_CTX *context, unsigned char *out, int *out_length, const unsigned char *text, int length);
int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *context, unsigned char *out, int *out_length);

void ERR_clear_error(void);
]]

local C = ffi.C
local libcrypto = {}

libcrypto.SHA256 = C.EVP_sha256()

local MAC = 32
local mac = ffi.new("unsigned char[?]", MAC)

--- HMAC-SHA-256.
function libcrypto.hmac(key, text)
  assert(C.HMAC(libcrypto.SHA256, key, #key, text, #text, mac, nil) ~= nil)
  return ffi.string(mac, MAC)
end

function libcrypto.sha256(text)
  if C.EVP_Q_digest(nil, "SHA256", nil, text, #text, mac, nil) ~= 1 then error "EVP_Q_digest failed" end
  return ffi.string(mac, MAC)
end

--- Whether a call that answers 1 for success succeeded. Of a failure nothing may stay in
--- libcrypto's queue of errors: nginx would log it with the next TLS record.
function libcrypto.succeeded(result)
  if result == 1 then return true end
  C.ERR_clear_error()
  return false
end

--- An object that libcrypto made, freed by `free` when Lua drops it. Raises when there is
--- none.
function libcrypto.own(object, free)
  if object == nil then
    C.ERR_clear_error()
    error "libcrypto failed"
  end
  return ffi.gc(object, free)
end

return libcrypto
