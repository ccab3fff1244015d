-- The rules of OAuth 2.0 refresh tokens: each is spent for its successor; what one that
-- comes twice gets is for the mode to say (RFC 9700 section 4.14.2). A family is a log-in
-- and all refresh tokens that descend from it.
-- Does not know: HTTP, faults.

local bytes = require "sandbox.bytes"
local settings = require "sandbox.settings"
local state = require "sandbox.state"

local families = {}

families.SCOPE = "read write"

local function count(name, family)
  state.oauth[name] = state.oauth[name] + 1
  if family and family[name] then family[name] = family[name] + 1 end
end

families.count = count

-- A token tells what it is, so that one that leaks is found by a search.
local function issue(family)
  family.issued = family.issued + 1
  local tail = ("-%d-%d-%s"):format(family.id, family.issued, bytes.random_text(18))
  local grant = { family = family, refresh_token = "canary-rt" .. tail, access_token = "canary-at" .. tail, at = ngx.now() }
  state.grants[grant.refresh_token] = grant
  family.newest = grant
  return grant
end

--- A log-in. -> the first grant of a new family
function families.create(client)
  local family = {
    id = #state.families + 1, client = client, issued = 0, executions = 0, rotations = 0, replays = 0, leeway = 0, reuses = 0,
    spoiled = 0,
  }
  state.families[family.id] = family
  return issue(family)
end

function families.revoke(family)
  if not family.revoked then count "revoked_families" end
  family.revoked = true
end

--- Whether a refresh with it would be granted, were it not for what the mode forgives.
function families.is_living(grant)
  return not (grant.spent_at or grant.family.revoked) and ngx.now() - grant.at <= settings.current.refresh_lifetime
end

local function spend(grant)
  count("rotations", grant.family)
  grant.spent_at = ngx.now()
  return issue(grant.family)
end

-- nil: the token is spent, and its family revoked.
local function reuse(grant)
  if settings.current.mode == "grace" and ngx.now() - grant.spent_at <= settings.current.grace then
    count("leeway", grant.family)
    return issue(grant.family)
  end
  count("reuses", grant.family)
  families.revoke(grant.family)
end

--- The grant that a refresh token is spent for | nil, why it is refused.
---@param keeps boolean  the token is not spent: the answer names no successor
function families.refresh(client, token, keeps)
  local grant = state.grants[token]
  if not grant then return nil, "the refresh token is unknown" end
  if grant.family.client ~= client then return nil, "the refresh token is another client's" end
  if grant.family.revoked then return nil, "the refresh token is revoked" end
  if ngx.now() - grant.at > settings.current.refresh_lifetime then return nil, "the refresh token has expired" end
  local granted
  if grant.spent_at then
    granted = reuse(grant)
    if not granted then return nil, "the refresh token is spent, and its family revoked" end
  else
    granted = keeps and grant or spend(grant)
  end
  count("executions", grant.family)
  return granted
end

return families
