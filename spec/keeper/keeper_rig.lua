-- For specs of the running keeper: an authorization server in this process, keepers that
-- use it, a clock that a spec can turn, and stores whose operations a spec can spoil.
-- Does not know: what a keeper should do.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local raw_rig = require "spec.support.rig"

local rig = {}

local offset = 0

--- Lets seconds pass on both clocks of the keeper.
function rig.pass(seconds)
  offset = offset + seconds
end

--- For before_each and after_each.
function rig.set_clock()
  offset = 0
  clock.boot = function() return core.boottime() + offset end
  clock.wall = function() return os.time() + math.floor(offset) end
end

function rig.reset_clock()
  clock.boot, clock.wall = core.boottime, os.time
end

local function response(status, body, headers)
  return ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, headers or "", #body, body)
end

rig.response = response

local function form_of(request)
  local form = {}
  for name, value in request:match "\r\n\r\n(.*)$":gmatch "([^&=]+)=([^&]*)" do
    form[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return form
end

local function header_of(request, name)
  return request:lower():match("\r\n" .. name:lower():gsub("%-", "%%-") .. ": ([^\r]*)")
end

-- Executes a refresh: strict, but for a key that was used before.
local function execute(self, request)
  local form, key = form_of(request), header_of(request, "idempotency-key")
  if key and self.by_key[key] then
    self.replays = self.replays + 1
    return self.by_key[key]
  end
  if form.refresh_token ~= self.current then
    self.reuses = self.reuses + 1
    return response(400, '{"error":"invalid_grant"}')
  end
  self.executions = self.executions + 1
  self.current = "refresh-" .. self.executions
  local answer = response(200, json.encode {
    access_token = "access-" .. self.executions, refresh_token = self.current, expires_in = self.expires_in,
    token_type = "Bearer", account = "a" .. self.executions,
  })
  if key then self.by_key[key] = answer end
  return answer
end

--- An authorization server whose next answers a spec can set in `faults`: a function of
--- the server, the request and `execute`, which gives the bytes to answer with.
function rig.server()
  local self = { executions = 0, replays = 0, reuses = 0, current = "refresh-0", by_key = {}, expires_in = 3600, faults = {} }
  local raw
  raw = raw_rig.raw_server(function(count)
    local fault = table.remove(self.faults, 1)
    if fault then return fault(self, raw.requests[count], execute) end
    return execute(self, raw.requests[count])
  end)
  self.raw, self.host, self.url = raw, raw.host, raw.url .. "/token"
  return self
end

function rig.exchange(server, given)
  local options = { token_url = server.url, client_id = "app", client_secret = "canary-secret" }
  for name, value in pairs(given or {}) do options[name] = value or nil end
  return grid.exchange.oauth2(options)
end

--- A keeper with `given` in place of the defaults, and the list of its events.
function rig.keeper(server, given)
  local events = {}
  local options = {
    exchange = rig.exchange(server), store = grid.store.memory(), host = server.host,
    on_event = function(event) events[#events + 1] = event end,
  }
  for name, value in pairs(given or {}) do options[name] = value end
  return grid.keeper(options), events
end

rig.TOKENS = { access_token = "access-0", refresh_token = "refresh-0", expires_in = 3600, token_type = "Bearer" }

function rig.names(events)
  local names = {}
  for i, event in ipairs(events) do names[i] = event.name end
  return table.concat(names, " ")
end

--- A store around another one: `spoil[method]` is called in place of the method, with the
--- method and its arguments.
function rig.spoiled(store, spoil)
  local wrapped = { is_local = store.is_local, calls = {} }
  for _, name in ipairs { "get", "put", "remove", "due", "list", "durability" } do
    wrapped[name] = function(_, ...)
      wrapped.calls[name] = (wrapped.calls[name] or 0) + 1
      if spoil[name] then return spoil[name](function(...) return store[name](store, ...) end, ...) end
      return store[name](store, ...)
    end
  end
  return wrapped
end

return rig
