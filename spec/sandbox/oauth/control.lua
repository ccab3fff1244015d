-- What the control address can set and read of the OAuth 2.0 authorization server.
-- Does not know: how tokens rotate.

local clients = require "sandbox.oauth.clients"
local families = require "sandbox.oauth.families"
local json = require "sandbox.json"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local routes = {}

local function counts() return state.oauth end

routes["GET /oauth/stats"] = function(query) return state.await(counts, query) end

-- The tokens of a new family, as a token endpoint answers, and its number.
local function log_in(client)
  local grant = families.create(client)
  return {
    family = grant.family.id, access_token = grant.access_token, refresh_token = grant.refresh_token, token_type = "Bearer",
    expires_in = settings.current.token_lifetime, scope = families.SCOPE,
  }
end

local UNKNOWN = { error = "client must be app or public" }

-- Log-ins: a list.
routes["POST /oauth/families"] = function(_, body)
  local client = body.client or "app"
  if not clients.exists(client) then return UNKNOWN, 400 end
  local list = json.array()
  for i = 1, body.count or 1 do list[i] = log_in(client) end
  return list
end

-- One log-in, for a file tokens.json.
routes["POST /oauth/tokens"] = function(_, body)
  local client = body.client or "public"
  if not clients.exists(client) then return UNKNOWN, 400 end
  return log_in(client)
end

routes["GET /oauth/families"] = function()
  local list = json.array()
  for i, family in ipairs(state.families) do
    local newest = family.newest
    list[i] = {
      family = family.id, client = family.client, revoked = family.revoked or false, executions = family.executions,
      rotations = family.rotations, replays = family.replays, leeway = family.leeway, reuses = family.reuses,
      spoiled = family.spoiled, refresh_token = newest.refresh_token, access_token = newest.access_token,
      living = families.is_living(newest),
    }
  end
  return list
end

-- Of one refresh token: its family, and whether it is living.
routes["GET /oauth/token"] = function(query)
  local grant = state.grants[query.refresh_token]
  if not grant then return { error = "no such refresh token" }, 400 end
  return { family = grant.family.id, living = families.is_living(grant), access_token = grant.access_token }
end

return routes
