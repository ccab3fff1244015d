-- Makes DPoP proofs (RFC 9449): with a proof, a client shows that it has the key of a
-- token.
-- Owns: the form of a proof. Pure but for the random numbers of a proof.
-- Does not know: tokens, and the source of a nonce.

local core = require "grid.core"
local encoding = require "grid.exchange.encoding"
local errors = require "grid.errors"
local jwt = require "grid.jwt"

local dpop = {}

local COORDINATE = 32 -- bytes; the DER of a public key ends with x and y (RFC 5480 2.2)

local function jwk_of(key)
  local der = encoding.base64_bytes(key:public_key())
  return {
    kty = "EC", crv = "P-256",
    x = core.base64url_encode(der:sub(-2 * COORDINATE, -COORDINATE - 1)), y = core.base64url_encode(der:sub(-COORDINATE)),
  }
end

-- Claim `ath` (RFC 9449 section 4.2).
local function hash_of(access_token)
  return core.base64url_encode(assert(core.sha256(access_token)))
end

--- The nonce of an answer (RFC 9449 section 8.1) | nil: none, or one that no proof may
--- contain
---@param headers table<string, string>
---@return string?
function dpop.nonce_of(headers)
  local nonce = headers["dpop-nonce"]
  if nonce and nonce:find "^[!-~]+$" and not nonce:find '["\\]' then return nonce end
end

--- The value of the header `DPoP` (RFC 9449 section 4.2).
---@param key_text string PKCS#8
---@param method string
---@param url string
---@param nonce? string of the server
---@param now integer seconds since 1970 on the clock of the server
---@param access_token? string that the request carries: a resource server checks its hash
---@return string? proof, grid.Error?
function dpop.proof(key_text, method, url, nonce, now, access_token)
  local key, kind, code, message = core.key_from_text(key_text)
  if not key then return nil, errors.from_core(kind, code, "dpop_key: " .. message) end
  local proof, err = jwt.sign(key, { typ = "dpop+jwt", jwk = jwk_of(key) }, {
    jti = core.uuid(), htm = method, htu = url:match "^[^?#]*", iat = now, nonce = nonce,
    ath = access_token and hash_of(access_token),
  })
  key:close()
  return proof, err
end

return dpop
