-- Sends HTTP requests to any service: grid.http.
-- Owns: one reference to the shared engine, the options of calls, and the schedulers that
-- run them.
-- Does not know: any service, and the meaning of an answer.

local argument = require "grid.argument"
local call = require "grid.http.call"
local core = require "grid.core"
local errors = require "grid.errors"
local hosts = require "grid.host"
local lazy = require "grid.lazy"
local options = require "grid.http.options"
local reactor = require "grid.http.reactor"
local scheduler = require "grid.http.scheduler"

local event_loop = lazy "grid.http.event_loop"
local requests = lazy "grid.http.request"

local http = {}

---@class grid.Http
---@field options table resolved
---@field host table see grid.host
---@field closed boolean
---@field wait fun(scheduler: table, seconds: number) see reactor.wait
---@field run_detached fun(scheduler: table) see event_loop.run_detached
local Http = { __name = "grid.http" }
Http.__index = Http

-- The settings argument of engine:start.
local function settings_of(resolved)
  return {
    max_response_bytes = resolved.max_response_bytes,
    ca_file = resolved.ca_file,
    proxy = resolved.proxy,
    http1_only = resolved.http_version == "1.1",
    insecure_skip_tls_verify = resolved.insecure_skip_tls_verify,
  }
end

--- An object with resolved options, for the other modules of this library.
---@return grid.Http
function http.open(resolved)
  local host = hosts.choose(resolved.host)
  return setmetatable({
    options = resolved,
    settings = settings_of(resolved),
    host = host,
    wait = host.poller and event_loop.wait or reactor.wait,
    run_detached = host.spawn and event_loop.run_detached or scheduler.run,
    closed = false,
    holder = false,
    schedulers = setmetatable({}, { __mode = "k" }),
    spare = {}, -- schedulers of single calls, for reuse
    located = {}, -- see grid.http.request
    times = { connect = 0, answer = false }, -- seconds of the last connection and of the last answer
  }, Http)
end

--- An object for any HTTP service. The first call initializes libcurl; nothing is sent
--- before.
---@param given? grid.HttpOptions
---@return grid.Http
function http.new(given)
  return http.open(options.resolve("grid.http.new", options.transport, given == nil and {} or given))
end

function Http:__tostring()
  return ("grid.http: %s"):format(self.closed and "closed" or self.options.base_url or "open")
end

-- The engine of this process. After a fork the child creates its own. -> engine | nil,
-- error: out of descriptors or memory
local function engine_of(self)
  if self.holder and self.holder:is_usable() then return self.holder end
  if self.holder then self.holder:close() end
  local holder, kind, code, message = core.engine()
  self.holder = holder or false
  if not holder then return nil, errors.untried(errors.from_core(kind, code, message)) end
  return holder
end

--- Stores the times of the connection and of the answer. -> expected seconds of the next
--- attempt; 0: no answer has been received yet
function Http:note_times(answer)
  local times = self.times
  if answer.connect_seconds > 0 then times.connect = answer.connect_seconds end
  if answer.status then times.answer = answer.seconds - answer.connect_seconds end
  return times.answer and times.answer + times.connect or 0
end

--- A call of the request, which must not be changed any more; see call.new. -> call |
--- nil, error: the host cannot wait here
function Http:prepare(request)
  local obstacle = self.host.obstacle and self.host.obstacle()
  if obstacle then return nil, errors.untried(errors.new { kind = "request", code = "cannot_wait", message = obstacle }) end
  return call.new(self, request)
end

local function ignore() end

-- A scheduler for one call. Http:perform keeps it for reuse, unless an error is raised
-- during the call, or its coroutine was ended.
local function take_scheduler(self)
  local one = table.remove(self.spare)
  if one then return one end
  one = scheduler.new(self, 1, ignore)
  self.schedulers[one] = true
  return one
end

--- Sends the request and waits until the call ends. -> the result of the request's
--- `judge` | nil, error
function Http:perform(request)
  local one, err = self:prepare(request)
  if not one then return nil, err end
  local engine
  engine, err = engine_of(self)
  if not engine then return nil, err end
  local own_scheduler = take_scheduler(self)
  own_scheduler:begin(one, engine)
  if request.detached then self.run_detached(own_scheduler) else own_scheduler:run() end
  if own_scheduler:is_reusable() then self.spare[#self.spare + 1] = own_scheduler end
  return one.res, one.err
end

--- Runs the calls that `source()` returns, at most `limit` at once, and passes each that
--- has ended to `on_done(call)`. -> the error of calls that `source` has not returned
function Http:perform_all(source, limit, on_done)
  local engine, err = engine_of(self)
  if not engine then return err end
  local many = scheduler.new(self, limit, on_done)
  self.schedulers[many] = true
  many:draw(source, engine)
  many:run()
  return errors.untried((self.closed and errors.cancelled or errors.forked) "no")
end

-- Also the finalizer, which wakes no scheduler: waiters reference the object, so that a
-- collected one has no call in flight. When the Lua state closes, hosts may be finalized
-- already.
local function release(self)
  self.closed = true
  if self.holder then self.holder:close() end
  self.holder = false
end

--- Releases the engine; the last object that uses an engine closes its connections. Calls
--- in flight end as `cancelled`.
function Http:close()
  if getmetatable(self) ~= Http then argument.raise "http:close: call it with a colon, on an object of grid.http.new" end
  release(self)
  for one in pairs(self.schedulers) do one:wake() end
end

Http.__gc = release
Http.__close = Http.close

---@class grid.HttpAnswer
---@field status integer
---@field headers table<string, string> lower-case name to value
---@field cookies string[] values of Set-Cookie
---@field body string
---@field seconds number of the last attempt
---@field attempts integer attempts in total
---@field retry_after? integer seconds, if the answer has Retry-After

--- The request of http:send, for Http:perform. Raises for misuse.
---@param what string
---@param request grid.HttpRequest
---@param given grid.HttpCallOptions
---@return grid.http.Request
function Http:compose(what, request, given)
  return requests.compose(self, what, request, given)
end

--- Sends one request. Each attempt executes it at most once. -> the complete answer,
--- independent of its status | nil, error: no complete answer was received
---@param request grid.HttpRequest
---@param given? grid.HttpCallOptions
---@return grid.HttpAnswer?, grid.Error?
function Http:send(request, given)
  local what = "http:send"
  if getmetatable(self) ~= Http then argument.raise("%s: call it with a colon, on an object of grid.http.new", what) end
  if self.closed then argument.raise("%s: the HTTP client is closed", what) end
  return self:perform(self:compose(what, request, given == nil and {} or given))
end

return http
