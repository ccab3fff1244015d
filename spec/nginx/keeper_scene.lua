-- The scene of the keeper's specs in nginx: the authorization server of the sandbox, a
-- folder of sessions, and an nginx whose workers share both through
-- spec/nginx/keeper_app.lua. Owns the processes and the folder; `stop` ends all, and
-- looks whether nginx had anything to complain of.

local child = require "spec.support.child"
local grid = require "grid"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local oauth_server = require "spec.support.oauth_server"

local scene = {}
local Scene = {}
Scene.__index = Scene

local LOCATIONS = ([[
    location = /get { content_by_lua_block { @APP@.get() } }
    location = /refresh { content_by_lua_block { @APP@.refresh() } }
    location = /add { content_by_lua_block { @APP@.add() } }
    location = /remove { content_by_lua_block { @APP@.remove() } }
    location = /guarded {
        access_by_lua_block { @APP@.guard() }
        content_by_lua_block { ngx.print '{"ok":true}' }
    }
    location = /counters { content_by_lua_block { @APP@.counters() } }
]]):gsub("@APP@", 'require("spec.nginx.keeper_app")')

local BEFORE_THE_FORK = 'init_by_lua_block { require("spec.nginx.keeper_app").new() %s }\n'

---@param options spec.NginxOptions  and mode, timeout of the exchange, size of the folder, init:
--- Lua text for init_by_lua
function scene.start(options)
  local mode = options.mode or "strict"
  local self = setmetatable({ mode = mode, ids = 0, folder = child.folder(options.size), oauth = false }, Scene)
  self.oauth = oauth_server.share { mode = mode }
  self.directory = self.folder.path .. "/sessions"
  local given = {}
  for name, value in pairs(options) do given[name] = value end
  for _, name in ipairs { "mode", "timeout", "init", "size" } do given[name] = nil end
  given.locations = LOCATIONS .. (options.locations or "")
  given.http = BEFORE_THE_FORK:format(options.init or "") .. (options.http or "")
  given.env = {
    KEEPER_TOKEN_URL = self.oauth.token_url, KEEPER_CLIENT_ID = self.oauth.client_id,
    KEEPER_CLIENT_SECRET = self.oauth.client_secret, KEEPER_REUSE = mode, KEEPER_DIRECTORY = self.directory,
    KEEPER_TIMEOUT = tostring(options.timeout or 10),
  }
  self.nginx = nginx.start(given)
  return self
end

--- A keeper of this process over the same folder.
function Scene:keeper()
  self.own = self.own or grid.keeper {
    exchange = grid.exchange.oauth2 {
      token_url = self.oauth.token_url, client_id = self.oauth.client_id, client_secret = self.oauth.client_secret,
      reuse = self.mode, idempotency_header = "Idempotency-Key",
    },
    store = grid.store.file { directory = self.directory },
  }
  return self.own
end

--- Adds a new log-in, with a life of so many seconds: 0.001 is over at once. -> its id
function Scene:add(expires_in)
  local tokens = self.oauth:family()
  self.ids = self.ids + 1
  local id = "s" .. self.ids
  assert(self:keeper():add(id, {
    access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = expires_in or 0.001,
  }))
  return id
end

--- The ids of all sessions that were added, in that order.
function Scene:all_ids()
  local ids = {}
  for i = 1, self.ids do ids[i] = "s" .. i end
  return ids
end

local function read(body, status)
  return status == 200 and json.decode(body) or { http_status = status, body = body }
end

--- Sends a request; the function that is returned waits for what the location says.
function Scene:begin(path)
  local request = self.nginx:begin(path)
  return function() return read(request:finish()) end
end

function Scene:ask(path, options)
  return read(self.nginx:get(path, options))
end

--- Sends requests until one was answered by another worker than `pid`. -> that answer
function Scene:ask_another(pid, path)
  local answer
  assert(nginx.wait_for(10, function()
    answer = self:ask(path)
    return answer.worker and answer.worker ~= pid
  end), "no other worker has answered")
  return answer
end

--- The worker whose refresh is under way, with reuseport. -> its pid
function Scene:worker_in_flight()
  local pid
  assert(nginx.wait_for(10, function()
    local seen = self:ask "/counters"
    pid = seen.flights > 0 and seen.worker
    return pid
  end), "no worker refreshes")
  return pid
end

--- Asks for the counters of one worker until the refreshes have ended. -> the counters |
--- nil, the last ones as text
function Scene:idle_counters()
  local seen
  local is_idle = nginx.wait_for(20, function()
    seen = self:ask "/counters"
    return seen.flights == 0 and seen.timers == 0
  end)
  return is_idle and seen or nil, json.encode(seen)
end

--- Ends nginx. `expected`: part of an alarm that is none. -> nil, or what is wrong: an
--- exit code, a crash, a secret in the log.
function Scene:stop(expected)
  local code, log = self.nginx:stop()
  if self.own then self.own:close() end
  local families = self.oauth:all_families()
  self.oauth:stop()
  self.folder:remove()
  if code ~= 0 then return "exit code " .. tostring(code) .. "\n" .. tostring(log) end
  for alarm in nginx.alarms(log):gmatch "[^\n]+" do
    if not expected or not alarm:find(expected, 1, true) then return alarm end
  end
  for _, family in ipairs(families) do
    for _, secret in ipairs { family.refresh_token, family.access_token, self.oauth.client_secret } do
      if log:find(secret, 1, true) then return "a secret in the log: " .. log end
    end
  end
end

return scene
