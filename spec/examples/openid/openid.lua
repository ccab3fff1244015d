-- The gateway of nginx.conf: logs users in at an OpenID Connect provider by authorization
-- code with PKCE, and passes requests on with the access token of the user's session. The
-- keeper has the tokens, under the SHA-256 of the user's cookie, and refreshes them.
-- Owns: the cookies, and the checks of a log-in.
-- Does not know: refreshes, the store and other workers, which are the keeper's.

local cjson = require("cjson.safe").new()
local core = require "grid.core"
local grid = require "grid"

local openid = {}

-- Browsers take __Host- cookies from this very host only (RFC 6265bis section 4.1.3.2).
local SESSION, LOG_IN = "__Host-session", "__Host-log_in-" -- and the first bytes of the state: each tab has its own
local LOG_IN_TIME, SKEW = 600, 60 -- seconds from /login to /callback; between the clocks of provider and gateway
local LONGEST_LOG_IN = 30 -- seconds: the metadata and the tokens; in memory the cookie is so long for a second /callback
local options, http, keeper, provider

--- In init_by_lua. `given`: issuer, client_id, client_secret (of a public client none,
--- and client_auth = "none"), redirect_uri, scope, prompt, directory, idle (seconds),
--- ca_file, reuse, reuse_seconds, idempotency_header.
function openid.init(given)
  options = given
  http = grid.http.new { ca_file = options.ca_file, retries = 0, timeout = 10 }
  keeper = grid.keeper {
    exchange = grid.exchange.oauth2 {
      issuer = options.issuer, client_id = options.client_id, client_secret = options.client_secret, ca_file = options.ca_file,
      client_auth = options.client_auth,
      reuse = options.reuse, reuse_seconds = options.reuse_seconds, idempotency_header = options.idempotency_header,
    },
    store = grid.store.file { directory = options.directory },
  }
end

local function cookie(name, value, max_age)
  return ("%s=%s; Path=/; HttpOnly; Secure; SameSite=Lax%s"):format(name, value, max_age and "; Max-Age=" .. max_age or "")
end
local function random() return core.base64url_encode(core.random_bytes(32)) end
local function id_of(value) return core.base64url_encode(core.sha256(value)) end -- no reader of the store finds a cookie

-- The value of a cookie. nginx's $cookie_NAME ignores case, and finds NAME in the cookie
-- "a=1,NAME=2": another host of the domain can set those.
local function cookie_of(name)
  return ("; " .. (ngx.var.http_cookie or "")):match("; *" .. name:gsub("%W", "%%%0") .. "=([^;]*)")
end

-- Ends the request with a text; `why`, which holds no secret, is for the log.
local function answer(status, text, why)
  if why then ngx.log(ngx.WARN, text, ": ", core.visible(tostring(why))) end
  ngx.status, ngx.header.content_type, ngx.header.cache_control = status, "text/plain", "no-store"
  ngx.say(text)
  return ngx.exit(status)
end

local function redirect(url, status, set)
  ngx.header.cache_control, ngx.header.set_cookie = "no-store", set
  return ngx.redirect(url, status)
end

-- A path of this host to come back to: not a URL, "//host" or "/\host".
local function local_path(text)
  return text and #text < 200 and not text:find "^//" and text:match "^/[%w%-._~%%!$&'()*+,;=:@/?]*$" or "/"
end

-- -> the value of an answer's JSON, its text | nil, why there is none
local function fetch(request)
  local res, err = http:send(request)
  local value = res and cjson.decode(res.body)
  if type(value) == "table" and res.status == 200 then return value, res.body end
  return nil, err or ("status %d %s"):format(res.status, type(value) == "table" and tostring(value.error):match "^[%l_]+$" or "")
end

-- The provider's metadata (OpenID Connect Discovery), fetched once.
local function discover()
  if provider then return provider end
  local found, problem = fetch { method = "GET", url = options.issuer:gsub("/$", "") .. "/.well-known/openid-configuration" }
  provider = found and found.issuer == options.issuer and found.authorization_endpoint and found.token_endpoint and found
  return provider, found and "the metadata is of another issuer, or lacks an endpoint" or problem
end

-- State, nonce and verifier follow from the secret in the cookie: nothing is stored.
local function derived(secret, name) return core.base64url_encode(core.hmac_sha256(secret, name)) end

--- content_by_lua of /login. ?to= is the path to come back to.
function openid.login()
  local at, problem = discover()
  if not at then return answer(503, "the provider cannot be reached", problem) end
  local secret, to = random(), local_path(ngx.unescape_uri(ngx.var.arg_to or ""))
  local query = ngx.encode_args {
    response_type = "code", client_id = options.client_id, redirect_uri = options.redirect_uri, scope = options.scope,
    state = derived(secret, "state"), nonce = derived(secret, "nonce"), prompt = options.prompt,
    code_challenge = core.base64url_encode(core.sha256(derived(secret, "verifier"))), code_challenge_method = "S256",
  }
  return redirect(at.authorization_endpoint .. (at.authorization_endpoint:find("?", 1, true) and "&" or "?") .. query, 302,
    cookie(LOG_IN .. derived(secret, "state"):sub(1, 8), secret .. "." .. core.base64url_encode(to), LOG_IN_TIME))
end

-- -> the tokens, their text | nil, why there are none
local function redeem(code, secret)
  local at, problem = discover()
  if not at then return nil, problem end
  local pair = options.client_secret and ngx.escape_uri(options.client_id) .. ":" .. ngx.escape_uri(options.client_secret)
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  headers.Authorization = pair and "Basic " .. ngx.encode_base64(pair)
  return fetch { method = "POST", url = at.token_endpoint, headers = headers, body = ngx.encode_args {
    grant_type = "authorization_code", code = code, redirect_uri = options.redirect_uri, client_id = options.client_id,
    code_verifier = derived(secret, "verifier"),
  } }
end

-- The fault of an ID token | nil. The token came from the provider over TLS, which stands
-- for its signature (OpenID Connect Core section 3.1.3.7).
local function id_token_fault(token, nonce)
  local part = type(token) == "string" and token:match "^[%w_-]+%.([%w_-]+)%.[%w_-]*$"
  local claims = part and cjson.decode(core.base64url_decode(part) or "")
  if type(claims) ~= "table" then return "there is no ID token" end
  if claims.iss ~= options.issuer then return "the ID token is of another issuer" end
  local is_ours = cjson.encode({ claims.aud }):find(cjson.encode(options.client_id), 1, true) -- a string of a list, or alone
  if not is_ours or (claims.azp or options.client_id) ~= options.client_id then return "the ID token is for another client" end
  if type(claims.exp) ~= "number" or claims.exp < ngx.time() - SKEW then return "the ID token has expired" end
  if claims.nonce ~= nonce then return "the ID token has another nonce" end
end

-- -> true, unless the session is still in the store
local function remove(_, id)
  local ok, err = keeper:remove(id, { revoke = true })
  if ok or err.code == "not_found" then return true end
  ngx.log(ngx.WARN, "a session was not removed or not revoked: ", tostring(err))
  return err.kind ~= "store"
end

-- -> the cookie of a new session | nil, why there is none
local function begin_session(code, secret)
  local tokens, text = redeem(code, secret)
  local fault = not tokens and text or tokens and id_token_fault(tokens.id_token, derived(secret, "nonce"))
  if fault then return nil, fault end
  local value = random() -- never one that the browser had before
  local session, err = keeper:add(id_of(value), text)
  return session and value, err
end

-- A browser may load the redirect_uri twice at once, and show the second answer only. A
-- provider that sees a code twice revokes its tokens (RFC 6749 section 4.1.2), so the
-- second request waits for the first one, in any worker, and gets the same cookie.
local function begin_once(code, secret)
  local log_ins, name = ngx.shared.log_ins, derived(secret, "state")
  if log_ins:add(name, "", LONGEST_LOG_IN) then
    local value, fault = begin_session(code, secret)
    log_ins:set(name, value or "failed", LONGEST_LOG_IN)
    return value, fault
  end
  while log_ins:get(name) == "" do ngx.sleep(0.05) end
  local value = log_ins:get(name) or "failed"
  if value == "failed" then return nil, "so has another request with this code" end
  return value
end

--- content_by_lua of the redirect_uri.
function openid.callback()
  local args, old = ngx.req.get_uri_args(), cookie_of(SESSION)
  local name = LOG_IN .. tostring(args.state):gsub("[^%w_-]", ""):sub(1, 8)
  local secret, to = (cookie_of(name) or ""):match "^([%w_-]+)%.([%w_-]+)$"
  if not secret or args.state ~= derived(secret, "state") then return answer(400, "begin the log-in again", "another state") end
  ngx.header.set_cookie = cookie(name, "", 0)
  if args.iss and args.iss ~= options.issuer then return answer(400, "the log-in failed", "another issuer") end -- RFC 9207
  if type(args.code) ~= "string" then return answer(403, "the provider has refused the log-in", args.error) end
  local value, fault = begin_once(args.code, secret)
  if not value then return answer(502, "the log-in failed", fault) end
  if old and old ~= value then ngx.timer.at(0, remove, id_of(old)) end
  return redirect(local_path(core.base64url_decode(to)), 303, { cookie(SESSION, value), cookie(name, "", 0) })
end

--- content_by_lua of /logout. Origin, "null" by some Referrer-Policy, is of old browsers.
function openid.logout()
  local value, site, origin = cookie_of(SESSION), ngx.var.http_sec_fetch_site, ngx.var.http_origin
  if ngx.req.get_method() ~= "POST" then return answer(405, "use POST") end
  local is_ours = site == "same-origin" or not site and (not origin or origin == options.redirect_uri:match "^%a+://[^/]+")
  if not is_ours then return answer(403, "the request is of another site") end
  if value and not remove(nil, id_of(value)) then return answer(503, "try again") end
  return redirect("/logged-out", 303, value and cookie(SESSION, "", 0))
end

--- access_by_lua of the locations behind the gateway. The program receives no cookie of
--- the gateway.
function openid.access()
  local session, err = keeper:get(id_of(cookie_of(SESSION) or "")) -- no session has the id of ""
  if session then
    local rest = ("; " .. ngx.var.http_cookie):gsub("; *__Host%-session=[^;]*", ""):gsub("; *__Host%-log_in%-[^=;]*=[^;]*", "")
    ngx.req.set_header("Cookie", rest:match "^; *(.+)$")
    return ngx.req.set_header("Authorization", "Bearer " .. session.access_token)
  end
  if err and err.code ~= "not_found" and err.code ~= "reauthentication_required" then
    ngx.header.retry_after = err.retry_after or 1
    return answer(503, "the session is being refreshed", err)
  end
  local is_page = ngx.req.get_method() == "GET" and (ngx.var.http_accept or ""):find("text/html", 1, true)
  return is_page and redirect("/login?to=" .. ngx.escape_uri(ngx.var.request_uri), 302) or answer(401, "log in first")
end

-- Removes the sessions that no user has come back to. A worker that ends, whose timers
-- nginx calls at once, is not kept from its end.
local function sweep()
  for _, id in ipairs(keeper:list { limit = 1000000 } or {}) do
    if ngx.worker.exiting() then return end
    local status = keeper:status(id)
    ngx.sleep(0.001) -- the worker serves others
    if status and status.expires_at < ngx.time() - options.idle then remove(nil, id) end
  end
end

--- In init_worker_by_lua.
function openid.start()
  ngx.timer.every(5, function() ngx.shared.metrics:set(ngx.worker.id(), keeper:metrics()) end)
  if ngx.worker.id() == 0 then ngx.timer.every(math.min(options.idle, 3600), sweep) end
end

--- content_by_lua of /metrics: the values of all workers, at most five seconds old.
function openid.metrics()
  local lines = {}
  for worker = 0, ngx.worker.count() - 1 do
    for name, labels, value in (ngx.shared.metrics:get(worker) or ""):gmatch "([%w_]+){?([^} \n]*)}? ([%d.]+)\n" do
      lines[#lines + 1] = ('%s{worker="%d"%s} %s\n'):format(name, worker, labels ~= "" and "," .. labels or "", value)
    end
  end
  table.sort(lines)
  ngx.print(lines)
end

return openid
