-- Starts a sandbox Grid server for a spec, sends requests to its control address, and
-- stops it. Needs a shell and luasocket, and no part of the library. A sandbox also ends
-- when the process that started it has ended, and has a session of its own: after a
-- signal to the group of that process it still removes its files.
-- Does not know: the answers of the sandbox.

local here = debug.getinfo(1, "S").source:match "^@(.*)support/[^/]*$" or "spec/"
local files = require "spec.support.files"
local finalizer = require "spec.support.finalizer"
local http = require "socket.http"
local json = require "spec.sandbox.json"
local ltn12 = require "ltn12"
local ready = require "spec.support.ready"

local quote = files.quote

local SHARED = "spec.sandbox.shared"

local sandbox = {}
local Sandbox = { __name = "spec.sandbox" }
Sandbox.__index = Sandbox

---@param options table|nil  the options of spec/sandbox/run, with '_' for '-': {mode = "grace", key_lifetime = 60}
---@return table  fields http, https (base addresses), ca (file), pid, dir, api_key
function sandbox.start(options)
  local words = { "exec setsid", quote(here .. "sandbox/run"), "--watch", files.own_pid() }
  for name, value in pairs(options or {}) do
    words[#words + 1] = "--" .. name:gsub("_", "-") .. " " .. quote(value)
  end
  local pipe = assert(io.popen(table.concat(words, " ")))
  local line = pipe:read "*l"
  if not line then
    pipe:close()
    error("the sandbox did not start", 2)
  end
  local self = setmetatable({ pipe = pipe, api_key = options and options.api_key or "sandbox-api-key" }, Sandbox)
  for name, value in pairs(ready(line)) do self[name] = value end
  -- The collector would close the pipe of one that was not stopped, and wait for its
  -- end.
  self.guard = finalizer(function() self:stop() end)
  return self
end

--- One call to the control address: `path` below /_control, `body` a table or nil. Raises
--- what the sandbox refuses.
function Sandbox:control(method, path, body)
  local sent, parts = body and json.encode(body) or "", {}
  local _, status = http.request {
    method = method, url = self.http .. "/_control" .. path, headers = { ["content-length"] = #sent },
    source = ltn12.source.string(sent), sink = ltn12.sink.table(parts),
  }
  local value, problem = json.decode(table.concat(parts))
  if value == nil then error("the control address answered nonsense: " .. problem, 2) end
  if status ~= 200 then error("control " .. path .. ": " .. tostring(value.error), 2) end
  return value
end

--- Sets a fault, see doc/sandbox.md: `s:fault {kind = "drop", execute = true}`,
--- `s:fault {kind = "delay", answer_delay = 0.5}`.
function Sandbox:fault(fault) return self:control("POST", "/faults", fault) end

--- Changes settings: `s:set {tier = "2"}`.
function Sandbox:set(settings) return self:control("POST", "/settings", settings) end

--- A list of new sessions, each `{kms_payload_json, refresh_token, address, signer}`.
--- Options: count, email, encryption_public_key.
function Sandbox:sessions(options) return self:control("POST", "/sessions", options or {}) end

function Sandbox:stats() return self:control("GET", "/stats") end

--- Waits until `count` answers are held back by faults with `hold`. Raises after a
--- timeout.
function Sandbox:wait_held(count)
  self:control("GET", "/stats?held=" .. count)
end

--- Sends all answers that are held back.
function Sandbox:release() self:control("POST", "/release", {}) end

--- The last request to the API as received.
function Sandbox:last() return self:control("GET", "/last") end

--- How often a `refresh_token`, an `idempotency_key` or a `transaction` was executed:
--- `s:executions("refresh_token", text)`.
function Sandbox:executions(kind, text)
  local escaped = text:gsub("[^%w_.-]", function(letter) return ("%%%02X"):format(letter:byte()) end)
  return self:control("GET", "/executions?" .. kind .. "=" .. escaped).executions
end

--- Forgets sessions, counts, faults and changed settings.
function Sandbox:reset()
  self:control("POST", "/reset", {})
  if self.settings then self:set(self.settings) end
end

--- Ends the server and waits for it. Idempotent; a shared one continues.
function Sandbox:stop()
  if io.type(self.pipe) ~= "file" then return end
  os.execute("kill " .. self.pid)
  self.pipe:close()
end

--- The sandbox that all specs of this process share: started by the first of them, ends
--- with the process. It is as new, but for these settings, which `reset` keeps.
---@param settings table|nil  names and values of `Sandbox:set`
---@return table  fields http, https, ca, dir, api_key
function sandbox.share(settings)
  local registry = debug.getregistry() -- busted unloads the modules that a spec file has loaded
  local running = registry[SHARED] or sandbox.start()
  registry[SHARED] = running
  local self = setmetatable({ settings = settings }, Sandbox)
  for _, name in ipairs { "http", "https", "ca", "dir" } do self[name] = running[name] end
  self.api_key = settings and settings.api_key or running.api_key
  self:reset()
  return self
end

--- Ends the shared sandbox before the process does: one that closes its Lua state waits
--- for its children.
function sandbox.stop_shared()
  local running = debug.getregistry()[SHARED]
  if running then running:stop() end
end

return sandbox
