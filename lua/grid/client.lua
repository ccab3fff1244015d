-- The client: the friendly interface to one service with one key.
-- Owns: its options, one holder of the shared engine, and the methods that users call.
-- Knows nothing of how calls are tried or waited for.

local call = require "grid.call"
local core = require "grid.core"
local endpoints = require "grid.endpoints"
local errors = require "grid.errors"
local flight = require "grid.flight"
local hosts = require "grid.host"
local lazy = require "grid.lazy"
local misuse = require "grid.misuse"
local options = require "grid.options"
local shape = require "grid.shape"

local accounts = lazy "grid.accounts"

local client = {}

---@class grid.Client
local Client = { __name = "grid.client" }
Client.__index = Client

--- A client. Nothing is sent and nothing of libcurl starts before its first call.
---@param given? grid.Options
---@return grid.Client
function client.new(given)
  local resolved = options.resolve("grid.new", given or {})
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

-- The engine of this process: after a fork the child gets its own.
function Client:engine()
  if self.holder and self.holder:is_usable() then return self.holder end
  if self.holder then self.holder:close() end
  local holder, _, _, message = core.engine()
  if not holder then error(message, 0) end
  self.holder = holder
  return holder
end

local function check_open(self, what)
  if getmetatable(self) ~= Client then misuse.raise("%s: call it with a colon, on a client", what) end
  if self.closed then misuse.raise("%s: the client is closed", what) end
end

-- A call that is ready to go, where the host can wait for it: nginx cannot in some of its phases.
local function prepare(self, plan, given)
  local obstacle = self.host.obstacle and self.host.obstacle()
  if obstacle then return nil, errors.new { kind = "request", code = "cannot_wait", message = obstacle } end
  return call.new(self, plan, given, self.host.now())
end

-- One call from its plan to its end. What carried it is kept for the next one, unless it is given up half-way.
local function perform(self, plan, given)
  local one, err = prepare(self, plan, given)
  if not one then return nil, err end
  local spare = self.spare_flights
  local alone = table.remove(spare) or flight.single(self)
  alone:begin(one)
  if given.detached and self.host.carry then self.host.carry(alone) else alone:run() end
  spare[#spare + 1] = alone
  return one.res, one.err
end

-- What every method does: looks at itself and its options, has its plan built from what else it was given, and performs that.
local function carry_out(self, what, given, build, ...)
  check_open(self, what)
  if given ~= nil then shape.check(what, options.call, given) end
  local plan, err = build(what, ...)
  if not plan then return nil, err end
  local res
  res, err = perform(self, plan, given or {})
  return res, err
end

local function method(name, build)
  local what = "client:" .. name
  return function(self, request, given)
    local res, err = carry_out(self, what, given, build, request)
    return res, err
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

local ADMIN = { type = "boolean" }

-- update_account has an option of its own.
local function split_admin(what, given)
  if type(given) ~= "table" then return given end
  local for_call = {}
  for name, value in pairs(given) do for_call[name] = value end
  if given.admin ~= nil then shape.check_field(what, "admin", ADMIN, given.admin) end
  for_call.admin = nil
  return for_call, given.admin
end

--- GET /accounts/{address}
---@param address string
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:get_account(address, given)
  local res, err = carry_out(self, "client:get_account", given, accounts.get, address)
  return res, err
end

--- Prepares a transaction that changes the account: PATCH /accounts/{address}. `res.data` is what client:sign takes.
---@param address string
---@param changes grid.AccountChanges
---@param given? { admin?: boolean }|grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:update_account(address, changes, given)
  local for_call, admin = split_admin("client:update_account", given)
  local res, err = carry_out(self, "client:update_account", for_call, accounts.update, address, changes, admin)
  return res, err
end

--- Signs a prepared transaction. Nothing is sent.
---@param transaction_payload table the data of update_account's result
---@param authorization_key grid.AuthorizationKey
---@return table?, grid.Error?
function Client:sign(transaction_payload, authorization_key)
  check_open(self, "client:sign")
  local signed, err = accounts.sign("client:sign", transaction_payload, authorization_key)
  return signed, err
end

--- POST /accounts/{address}/submit. Never repeated after an unknown outcome, but by the caller with the same idempotency key.
---@param address string
---@param signed table what client:sign gives
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:submit(address, signed, given)
  local res, err = carry_out(self, "client:submit", given, accounts.submit, address, signed)
  return res, err
end

--- Signs and submits. A key younger than about two seconds that is refused is tried once more, with the same signed bytes.
---@param address string
---@param transaction_payload table
---@param authorization_key grid.AuthorizationKey
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:sign_and_submit(address, transaction_payload, authorization_key, given)
  local res, err = carry_out(self, "client:sign_and_submit", given, function(what)
    local signed, problem = accounts.sign(what, transaction_payload, authorization_key)
    if not signed then return nil, problem end
    return accounts.submit_fresh(what, address, signed, authorization_key)
  end)
  return res, err
end

--- Any other endpoint of the service. A body given as text goes out byte for byte.
---@param verb "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"
---@param path string below /api/grid/v1
---@param body? string|table
---@param given? grid.CallOptions
---@return grid.Result?, grid.Error?
function Client:request(verb, path, body, given)
  local res, err = carry_out(self, "client:request", given, endpoints.request, verb, path, body)
  return res, err
end

---@class (exact) grid.ManyOptions
---@field concurrency? integer calls in flight at most; 64
---@field on_result? fun(position: integer, res: grid.Result?, err: any) as soon as it is there: store each at once
---@field on_progress? fun(done: integer, total: integer) after on_result
local MANY = {
  concurrency = { type = "number", check = shape.count },
  on_result = { type = "function" },
  on_progress = { type = "function" },
}

-- A request that is made when its turn comes. What goes wrong in the making is its result.
local function make_plan(name, make)
  local ok, plan, err = pcall(function()
    local request, reason = make()
    if request == nil then return nil, reason end
    local plan, err = endpoints.refresh_session(name, request)
    return plan, err
  end)
  if not ok then return nil, plan end
  return plan, err
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
  given = given or {}
  shape.check(what, MANY, given)
  if type(requests) ~= "table" then misuse.raise("%s: a list of requests is expected, got %s", what, type(requests)) end
  if #requests == 0 and next(requests) ~= nil then misuse.raise("%s: a list of requests is expected, got one table", what) end
  local total, results, position, done = #requests, {}, 0, 0
  local plans = {}
  local function name_of(i) return ("%s: request %d"):format(what, i) end
  for i = 1, total do
    local later = type(requests[i]) == "function"
    plans[i] = later and { later = requests[i] } or { endpoints.refresh_session(name_of(i), requests[i]) }
  end

  local function finish(i, res, err)
    results[i] = { res, err }
    done = done + 1
    if given.on_result then
      local ok, problem = pcall(given.on_result, i, res, err)
      if not ok then results[i].problem = problem end
    end
    if given.on_progress then pcall(given.on_progress, done, total) end -- what it does wrong must not cost results
  end

  -- The call of that position, ready to go | nil, why not.
  local function make(i)
    local plan, err = plans[i][1], plans[i][2]
    if plans[i].later then plan, err = make_plan(name_of(i), plans[i].later) end
    plans[i] = false
    if not plan then return nil, err end
    local one
    one, err = prepare(self, plan, {})
    if one then one.position = i end
    return one, err
  end

  -- The next call that can be sent; those that cannot are over at once.
  local function source()
    while position < total do
      position = position + 1
      local one, err = make(position)
      if one then return one end
      finish(position, nil, err)
    end
  end

  flight.new(self, source, given.concurrency or 64, function(one) finish(one.position, one.res, one.err) end):run()
  for i = position + 1, total do finish(i, nil, errors.cancelled "no") end
  return results
end

--- Lets go of the connections, once no other client needs them. Calls in flight end as `cancelled`.
function Client:close()
  if getmetatable(self) ~= Client then misuse.raise("client:close: call it with a colon, on a client") end
  self.closed = true
  if self.holder then self.holder:close() end
  self.holder = nil
  for one in pairs(self.flights) do
    if one.wake then one:wake() end
  end
end

Client.__gc = Client.close
Client.__close = Client.close

return client
