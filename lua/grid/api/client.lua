-- The client: the methods of Grid's API for one API key.
-- Owns: the options of a client, and its public methods.
-- Does not know: attempts and waits, which are in grid.http; the fields of an operation.

local argument = require "grid.argument"
local auth = require "grid.api.auth"
local errors = require "grid.errors"
local http = require "grid.http"
local lazy = require "grid.lazy"
local options = require "grid.api.options"
local requests = require "grid.api.request"
local schema = require "grid.schema"

local accounts = lazy "grid.api.accounts"
local batch = lazy "grid.api.batch"
local endpoint = lazy "grid.api.endpoint"
local login = lazy "grid.api.login"

local client = {}

---@class grid.Client
local Client = { __name = "grid.client" }
Client.__index = Client

--- A client. The first call initializes libcurl; nothing is sent before.
---@param given? grid.Options
---@return grid.Client
function client.new(given)
  local resolved = options.resolve("grid.new", given == nil and {} or given)
  return setmetatable({
    options = resolved,
    endpoint = options.endpoint(resolved.base_url),
    http = http.open(resolved),
    constant_lines = requests.constant_lines(resolved),
  }, Client)
end

function Client:__tostring()
  return ("grid.client: %s, %s"):format(self.endpoint, self.http.closed and "closed" or self.options.environment)
end

local function check_open(self, what)
  if getmetatable(self) ~= Client then argument.raise("%s: call it with a colon, on a client", what) end
  if self.http.closed then argument.raise("%s: the client is closed", what) end
end

--- The common part of all methods: checks the client and the options, builds the
--- operation from the other arguments, and performs it. `what` names the public function
--- in messages.
local function carry_out(self, what, given, build, ...)
  check_open(self, what)
  if given ~= nil then options.check_call(what, given) end
  local operation, err = build(what, ...)
  local request
  if operation then request, err = requests.new(self, operation, given or {}) end
  if not request then return nil, errors.untried(err) end
  return self.http:perform(request)
end

client.carry_out = carry_out

local function method_of(name, build)
  local what = "client:" .. name
  return function(self, request, given)
    return carry_out(self, what, given, build, request)
  end
end

--- Returns a session with a new key, and possibly new tokens: POST /auth/refresh-session.
---@type fun(self: grid.Client, request: grid.RefreshRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.refresh_session = method_of("refresh_session", auth.refresh_session)

--- Sends a one-time password to an address: POST /auth.
---@type fun(self: grid.Client, request: grid.InitAuthRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.init_auth = method_of("init_auth", function(...) return login.init_auth(...) end)

--- Exchanges the one-time password for a session: POST /auth/verify. The result has
--- kms_payload_json.
---@type fun(self: grid.Client, request: grid.CompleteAuthRequest, options?: grid.CallOptions): grid.Result?, grid.Error?
Client.complete_auth = method_of("complete_auth", function(...) return login.complete_auth(...) end)

-- Separates `admin`, an option of update_account only, from the options of a call.
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

--- Prepares a transaction that changes the account: PATCH /accounts/{address}. `res.data`
--- is the argument of client:sign.
---@param address string
---@param changes grid.AccountChanges
---@param given? { admin?: boolean }|grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:update_account(address, changes, given)
  local for_call, admin = split_admin("client:update_account", given)
  return carry_out(self, "client:update_account", for_call, accounts.update, address, changes, admin)
end

--- Signs a prepared transaction. No request is sent.
---@param transaction_payload table the data of update_account's result
---@param authorization_key grid.AuthorizationKey
---@return table?, grid.Error?
function Client:sign(transaction_payload, authorization_key)
  check_open(self, "client:sign")
  return accounts.sign("client:sign", transaction_payload, authorization_key)
end

--- POST /accounts/{address}/submit. Not repeated after an unknown outcome; the caller may
--- repeat it with the same idempotency key.
---@param address string
---@param signed table the result of client:sign
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:submit(address, signed, given)
  return carry_out(self, "client:submit", given, accounts.submit, address, signed)
end

--- Signs and submits. If a key is refused that was opened less than two seconds ago, the
--- same signed bytes are submitted once more.
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

--- Calls any other endpoint of the service. A string body is sent byte for byte.
---@param method "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"
---@param path string below /api/grid/v1
---@param body? string|table
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:request(method, path, body, given)
  return carry_out(self, "client:request", given, endpoint.request, method, path, body)
end

--- Performs many refreshes, at most `concurrency` (64) at once, over shared connections.
--- results[i] is { res } or { nil, err }. An error that on_result raises is stored as
--- results[i].problem, and changes no other result. A request may be a function, which is
--- called immediately before the request is sent, and returns the request, or nil and an
--- error, which becomes the result.
---@param requested (grid.RefreshRequest|fun(): grid.RefreshRequest?, any)[]
---@param given? grid.ManyOptions
---@return { [1]: grid.Result?, [2]: any, problem: any }[]
function Client:refresh_sessions(requested, given)
  local what = "client:refresh_sessions"
  check_open(self, what)
  if given == nil then given = {} end
  local many = batch.new(what, requested, given, function(operation, position)
    local request, err = requests.new(self, operation, given)
    if not request then return nil, errors.untried(err) end
    request.position = position
    return self.http:prepare(request)
  end)
  local function source() return many:next() end
  local function on_done(one) many:finish(one.request.position, one.res, one.err) end
  return many:finish_all(self.http:perform_all(source, many.concurrency, on_done))
end

--- Releases the engine; the last client that uses an engine closes its connections. Calls
--- in flight end as `cancelled`.
function Client:close()
  if getmetatable(self) ~= Client then argument.raise("client:close: call it with a colon, on a client") end
  self.http:close()
end

Client.__close = Client.close

return client
