-- The OAuth 2.0 authorization server as a service of the sandbox (course.lua): the
-- authorization endpoint, which asks no user; the token endpoint for its codes and for
-- refreshes (RFC 6749 sections 4.1 and 6); revocation (RFC 7009), and metadata (RFC 8414,
-- OpenID Connect Discovery). The control address, too, makes families.
-- Does not know: how tokens rotate.

local answers = require "sandbox.answers"
local bytes = require "sandbox.bytes"
local clients = require "sandbox.oauth.clients"
local codes = require "sandbox.oauth.codes"
local course = require "sandbox.course"
local families = require "sandbox.oauth.families"
local json = require "sandbox.json"
local replay = require "sandbox.replay"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local endpoints = {}

local function refuse(code, message, status)
  local answer = answers.failure({ status = status or 400, code = code, message = message }, "oauth")
  if code == "invalid_client" then
    answer.status = 401
    answer.headers["WWW-Authenticate"] = 'Basic realm="sandbox"'
  end
  return answer
end

local function tokens(access_token, refresh_token, scope, id_token)
  local last = id_token and (',"id_token":"%s"}'):format(id_token) or "}"
  local answer = answers.success(
    ('{"access_token":"%s","token_type":"Bearer","expires_in":%d,"refresh_token":"%s","scope":"%s"'):format(
      access_token, settings.current.token_lifetime, refresh_token, scope) .. last)
  answer.headers["Cache-Control"] = "no-store"
  return answer
end

-- Tokens that belong to no family.
local function sample()
  return tokens("canary-at-sample-" .. bytes.random_text(18), "canary-rt-sample-" .. bytes.random_text(18), families.SCOPE)
end

-- -> scope that the answer names | nil: one that was not granted
local function narrowed(asked)
  for word in (asked or ""):gmatch "%S+" do
    if not (" " .. families.SCOPE .. " "):find(" " .. word .. " ", 1, true) then return nil end
  end
  return asked or families.SCOPE
end

local function grant(request, form, scope)
  local fault = request.fault or {}
  if fault.kind == "stored" and not fault.rotate then return refuse("server_error", "stored", fault.status) end
  local keeps = fault.kind == "no_refresh_token" -- which spoil.lua takes out of the answer
  local granted, why = families.refresh(request.client, form.refresh_token, keeps)
  if not granted then
    families.count "refusals"
    return refuse("invalid_grant", why)
  end
  request.executed = true
  if request.fault then families.count("spoiled", granted.family) end
  if fault.kind == "stored" then return refuse("server_error", "stored", fault.status) end
  return tokens(granted.access_token, granted.refresh_token, scope)
end

local function replayed(request, stored)
  local known = state.grants[request.token]
  families.count("executions", known and known.family)
  families.count("replays", known and known.family)
  return stored
end

local function log_in(request, form)
  local id_token, why = codes.take(request.client, form)
  if id_token == nil then return refuse("invalid_grant", why) end
  local granted = families.create(request.client)
  return tokens(granted.access_token, granted.refresh_token, families.SCOPE, id_token)
end

local function refresh(request, form)
  if not form.refresh_token then return refuse("invalid_request", "refresh_token is missing") end
  local scope = narrowed(form.scope)
  if not scope then return refuse("invalid_scope", "the scope was not granted") end
  request.token = form.refresh_token
  request.idempotency_key = request.headers["idempotency-key"]
  request.sense = form.refresh_token .. "\0" .. scope .. "\0" .. request.client
  local stored, conflict = replay.find(request)
  if stored then return replayed(request, stored) end
  if conflict then return refuse("invalid_request", conflict.message, 422) end
  local answer = grant(request, form, scope)
  replay.keep(request, answer)
  return answer
end

local GRANTS = { refresh_token = refresh, authorization_code = log_in }

local function token(request, form)
  local grant_of = GRANTS[form.grant_type or ""]
  if not grant_of then return refuse("unsupported_grant_type", "only refresh_token and authorization_code are served") end
  return grant_of(request, form)
end

-- RFC 7009 section 2.2: an unknown token is as good as revoked.
local function revoke(request, form)
  if not form.token then return refuse("invalid_request", "token is missing") end
  local known = state.grants[form.token]
  if known and known.family.client == request.client then families.revoke(known.family) end
  return answers.success ""
end

local POSTS = { ["/token"] = token, ["/revoke"] = revoke }

local function origin() return ngx.var.scheme .. "://" .. ngx.var.http_host end

-- The browser comes back with a code (RFC 6749 section 4.1.2, RFC 9207).
local function authorize(request)
  if request.method ~= "GET" then return refuse("invalid_request", "use GET", 405) end
  local asked = clients.form(request.query or "")
  if not asked then return refuse("invalid_request", "a parameter came twice") end
  local code, problem = codes.issue(asked, origin())
  if not code then return refuse("invalid_request", problem) end
  local answer = answers.success ""
  answer.status = 302
  answer.headers.Location = asked.redirect_uri .. (asked.redirect_uri:find("?", 1, true) and "&" or "?")
    .. ngx.encode_args { code = code, state = asked.state, iss = origin() }
  return answer
end

local function execute(request)
  if request.path == "/authorize" then return authorize(request) end
  local endpoint = POSTS[request.path]
  if not endpoint then return refuse("not_found", "no such endpoint", 404) end
  if request.method ~= "POST" then return refuse("invalid_request", "use POST", 405) end
  local content_type = request.headers["content-type"]
  if type(content_type) ~= "string" or not content_type:find "^application/x%-www%-form%-urlencoded" then
    return refuse("invalid_request", "the body must be a form")
  end
  local form = clients.form(request.body)
  if not form then return refuse("invalid_request", "a field came twice") end
  local client, code, problem = clients.authenticate(request.headers.authorization, form)
  if not client then return refuse(code, problem) end
  request.client = client
  return endpoint(request, form)
end

local function metadata(request)
  local base = origin()
  if request.method ~= "GET" then return refuse("invalid_request", "use GET", 405) end
  return answers.success(json.encode {
    issuer = base, authorization_endpoint = base .. "/oauth/authorize", token_endpoint = base .. "/oauth/token",
    revocation_endpoint = base .. "/oauth/revoke", response_types_supported = json.array { "code" },
    grant_types_supported = json.array { "authorization_code", "refresh_token" },
    code_challenge_methods_supported = json.array { "S256" },
    token_endpoint_auth_methods_supported = json.array { "client_secret_basic", "client_secret_post", "none" },
  })
end

local TOKENS = { prefix = "/oauth", execute = execute, sample = sample, error_shape = "oauth" }
local METADATA = { prefix = "", execute = metadata, sample = sample, error_shape = "oauth" }

function endpoints.serve() return course.serve(TOKENS) end

function endpoints.serve_metadata() return course.serve(METADATA) end

return endpoints
