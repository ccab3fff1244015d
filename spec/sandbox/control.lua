-- The control address, /_control/…: what a test sets and reads. JSON both ways; it
-- answers 400 `{"error": …}` to what it does not understand. It is reachable on loopback
-- only, because the whole sandbox is.
-- Does not know: how a fault or a setting takes effect.

local accounts = require "sandbox.accounts"
local bytes = require "sandbox.bytes"
local faults = require "sandbox.faults"
local hpke = require "sandbox.hpke"
local json = require "sandbox.json"
local keys = require "sandbox.keys"
local oauth_control = require "sandbox.oauth.control"
local p256 = require "sandbox.p256"
local router = require "sandbox.router"
local session = require "sandbox.session"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local control = {}

local routes = {}

for name, route in pairs(oauth_control) do routes[name] = route end

local function refuse(problem)
  return { error = problem }, 400
end

local function totals()
  state.counters.held = state.held
  return state.counters
end

routes["GET /stats"] = function(query) return state.await(totals, query) end

routes["DELETE /stats"] = function()
  state.reset_counters()
  return {}
end

routes["POST /reset"] = function()
  settings.reset()
  state.reset()
  return {}
end

routes["GET /settings"] = function() return settings.current end

routes["POST /settings"] = function(_, body)
  local fine, problem = settings.set(body)
  if not fine then return refuse(problem) end
  return settings.current
end

routes["GET /faults"] = function() return json.array(state.faults) end

routes["POST /faults"] = function(_, body)
  local fault, problem = faults.add(body)
  if not fault then return refuse(problem) end
  return fault
end

routes["DELETE /faults"] = function()
  state.faults = {}
  return {}
end

routes["POST /release"] = function()
  state.release()
  return {}
end

routes["POST /seed"] = function(_, body)
  if type(body.seed) ~= "number" then return refuse "seed must be a number" end
  state.seed(body.seed)
  return {}
end

routes["GET /otp"] = function(query)
  local pending = state.otps[query.email]
  if not pending then return refuse "no log-in is pending for this email" end
  return pending
end

-- With a token or a key: its count. Without: all of them.
routes["GET /executions"] = function(query)
  for kind, counts in pairs(state.executions) do
    if query[kind] then return { executions = counts[query[kind]] or 0 } end
  end
  return state.executions
end

local function describe_request(request)
  return {
    method = request.method, path = request.path, query = request.query, headers = request.headers, body = request.body,
    body_base64 = request.body and ngx.encode_base64(request.body), http_version = request.http_version,
    connection = request.connection, at = request.at, executed = request.executed, payload = request.payload,
    signature = request.signature, status = request.status, fault = request.fault and request.fault.kind,
  }
end

routes["GET /requests"] = function()
  local list = state.recall()
  for i, request in ipairs(list) do list[i] = describe_request(request) end
  return json.array(list)
end

routes["GET /last"] = function()
  local list = state.recall()
  if not list[1] then return refuse "no request has come yet" end
  return describe_request(list[#list])
end

routes["GET /sessions"] = function()
  local list = json.array()
  for id, owner in pairs(state.sessions) do
    list[#list + 1] = {
      id = id, email = owner.account.email, address = owner.account.address, signer = owner.account.signer,
      generation = owner.generation, revoked = owner.revoked,
      refresh_token = owner.newest.refresh_token, token_expires = owner.newest.token_expires,
      key_expires = math.floor(owner.key.expires * 1000),
    }
  end
  return list
end

-- Sessions without the log-in, for programs that need one or a thousand to begin with.
routes["POST /sessions"] = function(_, body)
  local list = json.array()
  for i = 1, body.count or 1 do
    local account = body.email and accounts.of_email(body.email) or accounts.new("user" .. i .. "@example.com")
    local owner, payload = session.create(account, body.encryption_public_key or router.SAMPLE_KEY)
    list[i] = {
      kms_payload_json = payload, refresh_token = owner.newest.refresh_token,
      address = account.address, signer = account.signer,
    }
  end
  return list
end

-- Seals any text to any key, with the ephemeral key of a test vector if need be.
routes["POST /seal"] = function(_, body)
  local point, problem = keys.point(body.encryption_public_key or "")
  if not point then return refuse("encryption_public_key " .. problem) end
  local parts = {}
  for _, name in ipairs { "plaintext", "info", "aad", "ephemeral_private_key" } do
    parts[name] = bytes.from_hex(body[name] or "")
    if not parts[name] then return refuse(name .. " is not hexadecimal") end
  end
  local ephemeral = body.ephemeral_private_key and p256.from_scalar(parts.ephemeral_private_key)
  local enc, ciphertext = hpke.seal(point, parts.info, parts.aad, parts.plaintext, ephemeral)
  return { encapsulated_key = ngx.encode_base64(enc), ciphertext = ngx.encode_base64(ciphertext) }
end

local function read_object()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if not text then return {} end
  local value, problem = json.decode(text)
  if value == nil then return nil, problem end
  if not json.is_object(value) then return nil, "the body must be an object" end
  return value
end

function control.serve()
  local route = routes[ngx.req.get_method() .. " " .. ngx.var.uri:sub(#"/_control" + 1)]
  local body, problem = read_object()
  local value, status
  if not route then value, status = { error = "no such control address" }, 404
  elseif not body then value, status = refuse(problem)
  else value, status = route(ngx.req.get_uri_args(), body) end
  local text = json.encode(value) .. "\n"
  ngx.status = status or 200
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
end

return control
