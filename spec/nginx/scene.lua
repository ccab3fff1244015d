-- The scene of most specs here: a sandbox as the Grid side, and an nginx whose locations
-- call it through spec/nginx/app.lua. Owns both processes; `stop` ends them and looks
-- whether nginx had anything to complain of.

local core = require "grid.core"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"

local scene = {}
local Scene = {}
Scene.__index = Scene

local one_each = not select(2, core.libcurl()) -- without HTTP/2, calls in flight together leave an idle connection each

local API_KEY = "canary-api-key"

-- Of a stored session, what must never be printed.
local function secrets_of(payload)
  local privy = json.decode(payload).session.Privy
  return { API_KEY, privy.token, privy.refresh_token, privy.privy_access_token }
end

---@param options spec.NginxOptions
function scene.start(options)
  local grid_side = sandbox.share { api_key = API_KEY }
  local ok, self = pcall(scene.on, grid_side, options)
  if not ok then
    grid_side:stop()
    error(self, 2)
  end
  self.owns_sandbox = true
  return self
end

--- An nginx beside a sandbox that runs already.
function scene.on(grid_side, options)
  local session = grid_side:sessions()[1]
  local env = { GRID_BASE_URL = grid_side.https, GRID_API_KEY = grid_side.api_key, GRID_ENVIRONMENT = "sandbox",
    SCENE_CA = grid_side.ca, SCENE_PAYLOAD = session.kms_payload_json }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local given = {}
  for name, value in pairs(options) do given[name] = value end
  given.env = env
  return setmetatable({
    sandbox = grid_side,
    nginx = nginx.start(given),
    session = session,
    secrets = secrets_of(session.kms_payload_json),
  }, Scene)
end

--- What a location said, as a table.
function Scene:ask(path, options)
  local body, status = self.nginx:get(path, options)
  local value = status == 200 and json.decode(body)
  return value or { http_status = status, body = body }
end

--- Asks for the counters until they are back to what they were before. Closing a
--- connection may take nginx a moment.
-- -> true, or false and both as text
function Scene:is_back_to(before)
  local after
  local back = nginx.wait_for(10, function()
    after = self:ask "/counters"
    return after.blocks <= before.blocks and (one_each or after.files <= before.files) and after.running_timers == 0
      and after.pending_timers == 0
  end)
  return back, json.encode(before) .. " and then " .. json.encode(after)
end

--- Ends nginx, and the sandbox if it came with it. -> nil, or what is wrong: an exit
--- code, a crash, a secret in the log.
function Scene:stop()
  local code, log = self.nginx:stop()
  if self.owns_sandbox then self.sandbox:stop() end
  if code ~= 0 then return "exit code " .. tostring(code) .. "\n" .. log end
  local alarms = nginx.alarms(log)
  if alarms ~= "" then return alarms end
  for _, secret in ipairs(self.secrets) do
    if log:find(secret, 1, true) then return "a secret in the log: " .. log end
  end
end

return scene
