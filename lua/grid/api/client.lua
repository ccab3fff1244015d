-- The client: the friendly interface to one service with one key.
-- Owns: its options, one holder of the shared engine, and the methods that users call.
-- Knows nothing of how calls are tried or waited for.

local call = require "grid.http.call"
local core = require "grid.core"
local endpoints = require "grid.api.auth"
local errors = require "grid.errors"
local flight = require "grid.http.scheduler"
local hosts = require "grid.host"
local lazy = require "grid.lazy"
local argument = require "grid.argument"
local options = require "grid.api.options"
local schema = require "grid.schema"

local accounts = lazy "grid.api.accounts"
local batch = lazy "grid.api.batch"

local client = {}

---@class grid.Client
local Client = { __name = "grid.client" }
Client.__index = Client

--- A client. Nothing is sent and nothing of libcurl starts before its first call.
---@param given? grid.Options
---@return grid.Client
function client.new(given)
  if given == nil then given = {} end
  local resolved = options.resolve("grid.new", given)
  return setmetatable({
    options = resolved,
    endpoint = options.endpoint(resolved.base_url),
    host = hosts.choose(resolved.host),
    flights = setmetatable({}, { __mode = "k" }),
    spare_flights = {},
  }, Client)
end

function Client:__tostring()
  return ("grid.client: %s, %s"):format(self.endpoint, self.closed and "closed" or self.options.environment)
end

-- The engine of this process: after a fork the child gets its own. -> engine | nil, error: no descriptor or memory is left for one
function Client:engine()
  if self.holder and self.holder:is_usable() then return self.holder end
  if self.holder then self.holder:close() end
  local holder, kind, code, message = core.engine()
  self.holder = holder
  if not holder then return nil, errors.from_core(kind, code, message) end
  return holder
end

local function check_open(self, what)
  if getmetatable(self) ~= Client then argument.raise("%s: call it with a colon, on a client", what) end
  if self.closed then argument.raise("%s: the client is closed", what) end
end

-- A call that is ready to go, where the host can wait for it: nginx cannot in some of its phases.
local function prepare(self, plan, given)
  local obstacle = self.host.obstacle and self.host.obstacle()
  if obstacle then return nil, errors.new { kind = "request", code = "cannot_wait", message = obstacle } end
  return call.new(self, plan, given)
end

-- One call from its plan to its end. What carried it is kept for the next one, unless it is given up half-way.
local function perform(self, plan, given)
  local one, err = prepare(self, plan, given)
  if not one then return nil, err end
  local engine
  engine, err = self:engine()
  if not engine then return nil, err end
  local spare = self.spare_flights
  local alone = table.remove(spare) or flight.single(self)
  alone:begin(one, engine)
  if given.detached and self.host.carry then self.host.carry(alone) else alone:run() end
  spare[#spare + 1] = alone
  return one.res, one.err
end

--- What every method does: looks at itself and its options, has its plan built from what else it was given, and performs that.
--- `what` is the function that the user called.
local function carry_out(self, what, given, build, ...)
  check_open(self, what)
  if given ~= nil then schema.check(what, options.call, given) end
  local plan, err = build(what, ...)
  if not plan then return nil, err end
  return perform(self, plan, given or {})
end

client.carry_out = carry_out

local function method(name, build)
  local what = "client:" .. name
  return function(self, request, given)
    return carry_out(self, what, given, build, request)
  end
end

--- A session with a new key, and perhaps new tokens: POST /auth/refresh-session.
---@type fun(self: grid.Client, request: grid.RefreshRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.refresh_session = method("refresh_session", endpoints.refresh_session)

--- Sends a one-time password to an address: POST /auth.
---@type fun(self: grid.Client, request: grid.InitAuthRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.init_auth = method("init_auth", endpoints.init_auth)

--- Turns the one-time password into a session: POST /auth/verify. The result carries kms_payload_json.
---@type fun(self: grid.Client, request: grid.CompleteAuthRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.complete_auth = method("complete_auth", endpoints.complete_auth)

-- update_account has an option of its own.
local function split_admin(what, given)
  if given == nil then return nil end
  schema.check(what, options.update, given)
  local for_call = {}
  for name in pairs(options.call) do for_call[name] = given[name] end
  return for_call, given.admin
end

--- GET /accounts/{address}
---@param address string
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:get_account(address, given)
  return carry_out(self, "client:get_account", given, accounts.get, address)
end

--- Prepares a transaction that changes the account: PATCH /accounts/{address}. `res.data` is what client:sign takes.
---@param address string
---@param changes grid.AccountChanges
---@param given? { admin?: boolean }|grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:update_account(address, changes, given)
  local for_call, admin = split_admin("client:update_account", given)
  return carry_out(self, "client:update_account", for_call, accounts.update, address, changes, admin)
end

--- Signs a prepared transaction. Nothing is sent.
---@param transaction_payload table the data of update_account's result
---@param authorization_key grid.AuthorizationKey
---@return table?, grid.Error?
function Client:sign(transaction_payload, authorization_key)
  check_open(self, "client:sign")
  return accounts.sign("client:sign", transaction_payload, authorization_key)
end

--- POST /accounts/{address}/submit. Never repeated after an unknown outcome, but by the caller with the same idempotency key.
---@param address string
---@param signed table what client:sign gives
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:submit(address, signed, given)
  return carry_out(self, "client:submit", given, accounts.submit, address, signed)
end

--- Signs and submits. A key younger than about two seconds that is refused is tried once more, with the same signed bytes.
---@param address string
---@param transaction_payload table
---@param authorization_key grid.AuthorizationKey
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:sign_and_submit(address, transaction_payload, authorization_key, given)
  return carry_out(self, "client:sign_and_submit", given, function(what)
    local signed, problem = accounts.sign(what, transaction_payload, authorization_key)
    if not signed then return nil, problem end
    return accounts.submit_fresh(what, address, signed, authorization_key)
  end)
end

--- Any other endpoint of the service. A body given as text goes out byte for byte.
---@param verb "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"
---@param path string below /api/grid/v1
---@param body? string|table
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:request(verb, path, body, given)
  return carry_out(self, "client:request", given, endpoints.request, verb, path, body)
end

--- Many refreshes, at most `concurrency` (64) at once over shared connections. results[i] is { res } or { nil, err }. What
--- on_result raised for it stands beside that as `problem`, and costs nobody an answer. A request may be a function, called right
--- before it is sent: it gives the request, or nil and the reason why there is none, which becomes the result.
---@param requests (grid.RefreshRequest|fun(): grid.RefreshRequest?, any)[]
---@param given? grid.ManyOptions
---@return { [1]: grid.Result?, [2]: any, problem: any }[]
function Client:refresh_sessions(requests, given)
  local what = "client:refresh_sessions"
  check_open(self, what)
  if given == nil then given = {} end
  local many = batch.new(what, requests, given, function(plan) return prepare(self, plan, {}) end)
  local function source() return many:next() end
  local function on_done(one) many:finish(one.position, one.res, one.err) end
  local engine, err = self:engine()
  if engine then flight.new(self, engine, source, many.concurrency, on_done):run() end
  return many:finish_all(err or (self.closed and errors.cancelled or errors.forked) "no")
end

local function let_go(self)
  self.closed = true
  if self.holder then self.holder:close() end
  self.holder = nil
end

--- Lets go of the connections, once no other client needs them. Calls in flight end as `cancelled`.
function Client:close()
  if getmetatable(self) ~= Client then argument.raise("client:close: call it with a colon, on a client") end
  let_go(self)
  for one in pairs(self.flights) do
    if one.wake then one:wake() end
  end
end

-- Whoever waits holds the client: nobody is to be woken. When the program ends, what would do so may be gone already.
Client.__gc = let_go
Client.__close = Client.close

return client
