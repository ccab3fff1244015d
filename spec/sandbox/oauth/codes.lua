-- Authorization codes (RFC 6749 section 4.1) with PKCE (RFC 7636), and the ID token of a
-- log-in (OpenID Connect Core section 2). Each request logs the same user in at once.
-- Owns: the codes, each of them spent at its first use.
-- Does not know: HTTP, refresh tokens.

local bytes = require "sandbox.bytes"
local clients = require "sandbox.oauth.clients"
local json = require "sandbox.json"
local libcrypto = require "sandbox.libcrypto"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local codes = {}

local LIFE = 60 -- seconds

local function has_openid(scope)
  return (" " .. (scope or "") .. " "):find(" openid ", 1, true) ~= nil
end

-- -> nil, or the fault of a request whose answer must not go to its redirect_uri
local function fault_of(asked)
  if not clients.exists(asked.client_id) then return "the client is unknown" end
  if not (asked.redirect_uri or ""):find "^https?://[^#%s]+$" then return "redirect_uri is missing or wrong" end
  if asked.response_type ~= "code" then return "response_type must be code" end
  if asked.code_challenge_method ~= "S256" then return "code_challenge_method must be S256" end
  if not (asked.code_challenge or ""):find("^" .. ("[%w_-]"):rep(43) .. "$") then return "code_challenge is missing or wrong" end
end

--- A code for an authorization request | nil, what is wrong with the request.
function codes.issue(asked, issuer)
  local fault = fault_of(asked)
  if fault then return nil, fault end
  local code = "code-" .. bytes.random_text(18)
  state.codes[code] = { asked = asked, issuer = issuer, at = ngx.now() }
  return code
end

local SPOIL = {
  other_issuer = function(claims) claims.iss = claims.iss .. "/other" end,
  other_audience = function(claims) claims.aud = { claims.aud .. "-other" } end,
  wide_audience = function(claims) claims.aud = "other " .. claims.aud end,
  other_party = function(claims) claims.aud, claims.azp = { claims.aud, "other" }, "other" end,
  expired = function(claims) claims.exp = claims.iat - 3600 end,
}

local function id_token(code)
  local asked, now = code.asked, math.floor(ngx.now())
  local head = bytes.base64url '{"alg":"HS256","typ":"JWT"}'
  local claims = {
    iss = code.issuer, aud = asked.client_id, sub = "user", nonce = asked.nonce, iat = now,
    exp = now + settings.current.token_lifetime,
  }
  local spoil = SPOIL[settings.current.id_token]
  if spoil then spoil(claims) end
  local text = head .. "." .. bytes.base64url(json.encode(claims))
  return text .. "." .. bytes.base64url(libcrypto.hmac(clients.secret(asked.client_id), text))
end

--- Spends the code of a form. -> the ID token, false without the scope openid | nil, why
--- it is refused
function codes.take(client, form)
  local code = state.codes[form.code or ""]
  if not code then return nil, "the code is unknown" end
  state.codes[form.code] = nil
  local asked = code.asked
  if asked.client_id ~= client then return nil, "the code is another client's" end
  if ngx.now() - code.at > LIFE then return nil, "the code has expired" end
  if asked.redirect_uri ~= form.redirect_uri then return nil, "redirect_uri is not that of the code" end
  if bytes.base64url(libcrypto.sha256(form.code_verifier or "")) ~= asked.code_challenge then
    return nil, "code_verifier does not fit"
  end
  return has_openid(asked.scope) and id_token(code)
end

return codes
