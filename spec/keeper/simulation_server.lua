-- The authorization server of a simulation, and the network before it. A refresh token is
-- "FAMILY-COUNT": each log-in has a family, whose count goes up with each refresh.
-- Owns: what each kind of server does with a token that comes twice: "idempotent" answers
-- a known key as before, "grace" takes the token before the last one for some time, and
-- "strict" revokes the family.
-- Does not know: the keeper.

local clock = require "grid.keeper.clock"
local errors = require "grid.errors"

local GRACE = 30

local Server = {}
Server.__index = Server

local function tokens(self, name, count)
  return {
    access_token = ("%s.%d"):format(name, count), refresh_token = ("%s-%d"):format(name, count),
    expires_in = self.life, token_type = "Bearer",
  }
end

--- The tokens of a new log-in.
function Server:log_in()
  self.log_ins = self.log_ins + 1
  local name = "f" .. self.log_ins
  self.families[name] = { count = 0, rotated_at = 0 }
  return tokens(self, name, 0)
end

local BODY = '{"access_token":"%s","refresh_token":"%s","expires_in":%d,"token_type":"Bearer"}'
local REFUSED = '{"error":"invalid_grant"}'

local function rotate(self, name, family)
  family.count, family.rotated_at = family.count + 1, self.world.now
  self.executions = self.executions + 1
  local made = tokens(self, name, family.count)
  return BODY:format(made.access_token, made.refresh_token, made.expires_in)
end

local function is_in_grace(self, family, count)
  return self.reuse == "grace" and count == family.count - 1 and self.world.now - family.rotated_at < GRACE
end

-- -> status, body
local function execute(self, token, key)
  local known = key and self.by_key[key]
  if known then
    self.replays = self.replays + 1
    if known.token ~= token then return 422, '{"error":"another request had this key"}' end
    return 200, known.body
  end
  local name, count = token:match "^(%w+)%-(%d+)$"
  local family = self.families[name]
  if not family or family.is_revoked then return 400, REFUSED end
  if tonumber(count) ~= family.count and not is_in_grace(self, family, tonumber(count)) then
    self.reuses, family.is_revoked = self.reuses + 1, true
    return 400, REFUSED
  end
  local body = rotate(self, name, family)
  if key then self.by_key[key] = { token = token, body = body } end
  return 200, body
end

local function failed(code, sent)
  return nil, errors.new { kind = "network", code = code, message = code, sent = sent }
end

-- Faults after which the server has not executed the request.
local UNEXECUTED = {
  refused = function() return failed("connect", "no") end,
  lost = function() return failed("timed_out", "unknown") end,
  ["503"] = function(world) return { status = 503, headers = {}, body = "", retry_after = world:integer(1, 3) } end,
  ["429"] = function() return { status = 429, headers = {}, body = "" } end,
}

-- Faults after which it has.
local EXECUTED = {
  answer_lost = function() return failed("timed_out", "unknown") end,
  ["502"] = function() return { status = 502, headers = {}, body = "" } end,
  html = function(world) return { status = 200, headers = {}, body = "<html>" .. world:integer(1, 5) } end,
}

local function key_of(request)
  for _, line in ipairs(request.headers) do
    local key = line:match "^Idempotency%-Key: (.*)$"
    if key then return key end
  end
end

--- Carries out a request as Http:perform does.
function Server:perform(request)
  local world, network = self.world, self.network
  world:pause()
  if clock.boot() >= request.not_after then return failed("too_late", "no") end
  local fault = not world.is_calm and world:chance(network.chance) and world:pick(network.faults) or "none"
  if UNEXECUTED[fault] then
    world:say("network", fault)
    return UNEXECUTED[fault](world)
  end
  local token = request.body:match "refresh_token=([^&]*)"
  local status, body = execute(self, token, key_of(request))
  world:say("server", token, status, body, fault)
  world:pause()
  if EXECUTED[fault] then return EXECUTED[fault](world) end
  return { status = status, headers = {}, body = body }
end

local server = { GRACE = GRACE }

--- A server of the scenario's kind, whose access tokens live for `life` seconds.
function server.new(world, scenario, life)
  return setmetatable({
    world = world, reuse = scenario.reuse, network = scenario.network, life = life,
    log_ins = 0, families = {}, by_key = {}, executions = 0, replays = 0, reuses = 0,
  }, Server)
end

return server
