-- Starts the sandbox for a spec of OAuth 2.0: an authorization server with rotating
-- refresh tokens, their modes, and faults. All methods of spec/support/sandbox.lua
-- (`fault`, `set`, `reset`, `release`, `wait_held`, `stop` …) and those below.
-- Does not know: the library.

local sandbox = require "spec.support.sandbox"

local oauth_server = {}

local Server = { __name = "spec.oauth_server" }

--- Log-ins: a list of `{family, access_token, refresh_token, expires_in, …}`. Options:
--- count, client ("app" or "public").
function Server:families(options) return self:control("POST", "/oauth/families", options or {}) end

--- One of them.
function Server:family(options) return self:families(options)[1] end

--- All families: `{family, client, revoked, executions, rotations, replays, leeway,
--- reuses, spoiled, refresh_token, access_token, living}` each, the tokens being the
--- newest.
function Server:all_families() return self:control("GET", "/oauth/families") end

--- What is known of a refresh token: `{family, living, access_token}`. Raises for an
--- unknown one.
function Server:token(refresh_token) return self:control("GET", "/oauth/token?refresh_token=" .. refresh_token) end

--- `{executions, rotations, replays, leeway, reuses, refusals, revoked_families,
--- spoiled}`, and the counters of all services: `{requests, connections, faults, held}`.
function Server:counts()
  local counts, all = self:control("GET", "/oauth/stats"), self:stats()
  for _, name in ipairs { "requests", "connections", "faults", "held" } do counts[name] = all[name] end
  return counts
end

--- Begins the sequence of faults with a `probability`.
function Server:seed(seed) self:control("POST", "/seed", { seed = seed }) end

local function extend(server)
  local base = getmetatable(server).__index
  return setmetatable(server, { __name = Server.__name, __index = function(_, name) return Server[name] or base[name] end })
end

local function describe(server)
  server.issuer = server.http
  server.token_url, server.revocation_url = server.http .. "/oauth/token", server.http .. "/oauth/revoke"
  server.client_id, server.client_secret, server.public_client_id = "app", "canary-secret +:%&=", "public"
  return extend(server)
end

---@param options table|nil  of spec/sandbox/run: {mode = "grace", grace = 5, token_lifetime = 60}
---@return table  also issuer, token_url, revocation_url, client_id, client_secret, public_client_id
function oauth_server.start(options) return describe(sandbox.start(options)) end

--- The sandbox that all specs of this process share, with these settings.
function oauth_server.share(settings) return describe(sandbox.share(settings)) end

return oauth_server
