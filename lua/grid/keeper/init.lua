-- The keeper: returns sessions that are usable now, and refreshes them in time.
-- Owns: the options and the public methods; the part of `get` that uses no store.
-- Does not know: how a session is refreshed (flight.lua), and when (demand.lua).

local access = require "grid.keeper.access"
local argument = require "grid.argument"
local clock = require "grid.keeper.clock"
local core = require "grid.core"
local demand = require "grid.keeper.demand"
local disk = require "grid.keeper.disk"
local due = require "grid.keeper.due"
local editing = require "grid.keeper.editing"
local exchanges = require "grid.exchange.contract"
local flights = require "grid.keeper.flights"
local http = require "grid.http"
local memory = require "grid.keeper.memory"
local metrics = require "grid.keeper.metrics"
local options = require "grid.http.options"
local rounds = require "grid.keeper.rounds"
local schema = require "grid.schema"
local spool = require "grid.keeper.spool"
local status = require "grid.keeper.status"
local stores = require "grid.store.contract"
local sweeps = require "grid.sweep"

local keeper = {}

local unpack = table.unpack or unpack

local WHAT = "grid.keeper"

---@class grid.Keeper
local Keeper = { __name = "grid.keeper" }
Keeper.__index = Keeper

local function not_negative(value)
  if not (value >= 0 and value < math.huge) then return "a number of seconds, 0 or more" end
end

local EXCHANGE, STORE = "an exchange, as grid.exchange.oauth2", "a store, as grid.store.file"

local function check_methods(noun, names)
  return function(value)
    for _, name in ipairs(names) do
      if type(value[name]) ~= "function" then return ("%s makes: its '%s' is no function"):format(noun, name) end
    end
  end
end

local function check_keys(value)
  if #value == 0 then return "a list of one key or more" end
  for i = 1, #value do
    if type(value[i]) ~= "string" or #value[i] ~= 32 then return "a list of keys, each a string of 32 bytes" end
  end
end

---@class (exact) grid.KeeperOptions
---@field exchange grid.Exchange how a session is refreshed
---@field store grid.Store where the sessions are
---@field seal_keys? string[] keys of 32 bytes: the first one seals, all of them open
---@field timeout? number seconds of one exchange; 10
---@field recheck? number seconds after which a session in memory is compared with the store; 5
---@field spool? string a folder for answers that the store could not take
---@field on_event? fun(event: grid.KeeperEvent)
---@field host? grid.Host
keeper.options = {
  exchange = { type = "table", required = true, check = check_methods(EXCHANGE, { "request", "read" }) },
  store = { type = "table", required = true, check = check_methods(STORE, { "get", "put", "remove", "due", "list" }) },
  seal_keys = { type = "table", check = check_keys },
  timeout = { type = "number", check = schema.seconds, default = 10 },
  recheck = { type = "number", check = not_negative, default = 5 },
  spool = { type = "string", check = schema.plain },
  on_event = { type = "function" },
  host = { type = "table" },
}

local function resolve(given)
  local resolved = options.resolve(WHAT, keeper.options, given)
  exchanges.check_optional(WHAT .. ": exchange", given.exchange)
  local seal_keys = given.seal_keys and { unpack(given.seal_keys) }
  resolved.seal_keys = function() return seal_keys end -- a dump of the keeper does not show them
  return resolved
end

-- What the sender takes from the exchange. A user's exchange may have no such table.
local function transport_of(resolved, host)
  local transport = { host = host, timeout = resolved.timeout, retries = 0 }
  for name, value in pairs(resolved.exchange.transport or {}) do transport[name] = value end
  return transport
end

--- A keeper. Nothing is read or sent before the first call.
---@param given grid.KeeperOptions
---@return grid.Keeper
function keeper.new(given)
  local self = resolve(given)
  local exchange = self.exchange
  self.spool = self.spool and spool.open(self.spool)
  if self.spool and spool.is_store(self.spool, self.store) then
    argument.raise("%s: 'spool' must be another folder than that of the store", WHAT)
  end
  self.http = http.new(transport_of(self, self.host))
  self.host = self.http.host
  self.rules = { reuse = exchange.reuse or "strict", reuse_seconds = exchange.reuse_seconds, timeout = self.timeout }
  self.has_opened_spool = not self.spool
  self.spool_fault = nil -- why the spool, or an entry in it, cannot be used
  self.committed = {} -- names of entries that the spool does not remove -> true
  self.instance = core.uuid()
  self.endpoints = { are_known = false } -- of the issuer, see discovery.lua
  self.entries = {}  -- id -> what is known of its session, see memory.lua
  self.census = { entries = sweeps.new(), watches = sweeps.new(), edits = 0 } -- edits: adds and removals
  self.flights = {}  -- id -> flight that has not ended
  self.pending = {}  -- id -> answer that the store has not taken, see flight.lua
  self.deferred = {} -- ids that refresh_due handles last -> when it has handled them, see due.lua
  self.deferred_share = 0 -- the fraction of an id that the last rounds have left them
  self.watches = {}  -- id -> since when its rev is seen, see protocol.watch
  self.refusals = {} -- id -> the last refresh that `invalidate` requested
  self.writer = false -- see disk.lua
  self.counters = {} -- name of an event -> how often
  self.pulse = {}    -- conditions of keeper:start and keeper:run
  self.ticker = false -- the loop of keeper:start
  self.event_loop, self.event_loop_http = false, false -- for concurrent refreshes in plain Lua
  self.loop = false -- in such refreshes, the loop that runs them
  self.may_persist = true -- a flight in a coroutine may wait for the store without end
  self.closed = false
  return setmetatable(self, Keeper)
end

--- Process and clocks, as the pure functions take them.
function Keeper:env()
  return { me = clock.identity(self.instance), clock = clock.read(), exchange = self.rules }
end

--- A further sender, for another host.
function Keeper:new_http(host)
  return http.new(transport_of(self, host))
end

--- For flights: one is over.
function Keeper:on_landed()
  if not self.closed or flights.count(self) > 0 then return end
  self.http:close()
  if self.event_loop_http then self.event_loop_http:close() end
  disk.close(self)
end

function Keeper:__tostring()
  return ("grid.keeper: %s"):format(self.closed and "closed" or tostring(self.exchange.name or "open"))
end

local function check_self(self, what)
  if getmetatable(self) ~= Keeper then argument.raise("%s: call it with a colon, on a keeper", what) end
end

local function check_open(self, what)
  check_self(self, what)
  if self.closed then argument.raise("%s: the keeper is closed", what) end
end

local function check(self, what, id, declared, given)
  check_open(self, what)
  stores.check_id(what, id)
  if given ~= nil then schema.check(what, declared, given) end
end

-- Of a method without an id. -> its options, which are optional
local function check_options(self, what, declared, given)
  check_open(self, what)
  if given == nil then return {} end
  schema.check(what, declared, given)
  return given
end

local ADD = { replace = { type = "boolean" } }

--- Takes the tokens of a log-in into the store.
---@param id string 1 to 255 bytes, no secret
---@param tokens table|string what a token endpoint answers; of Grid the fields of a session file
---@param given? { replace?: boolean } over a session that is there, a dead one too
---@return grid.Session?, grid.Error?
function Keeper:add(id, tokens, given)
  local what = "keeper:add"
  check(self, what, id, ADD, given)
  if type(tokens) ~= "table" and type(tokens) ~= "string" then
    argument.raise_type(tokens, "%s: 'tokens' must be a table or a string", what)
  end
  return editing.add(self, id, tokens, given and given.replace)
end

local GET = { timeout = { type = "number", check = not_negative }, min_ttl = { type = "number", check = not_negative } }

--- The session of an id. While it is fresh, no store is read and no memory is allocated.
---@param id string
---@param given? { timeout?: number, min_ttl?: number } seconds to wait at most, 5; seconds that the session is to live yet
---@return grid.Session?, grid.Error?
function Keeper:get(id, given)
  if given == nil and getmetatable(self) == Keeper then
    local entry = self.entries[id]
    if entry and clock.boot() < entry.quiet_until then return entry.session end
  end
  check(self, "keeper:get", id, GET, given)
  return demand.get(self, id, given)
end

local REFRESH = { timeout = { type = "number", check = not_negative } }

--- Refreshes a session now, even if that is not due.
---@param id string
---@param given? { timeout?: number } seconds to wait at most; default: those of an exchange, its commit and a take-over
---@return grid.Session?, grid.Error?
function Keeper:refresh(id, given)
  check(self, "keeper:refresh", id, REFRESH, given)
  return demand.refresh(self, id, given)
end

--- A service has refused the session of that generation: the next `get` refreshes, once
--- for each generation, unless a newer one is there.
---@param id string
---@param generation integer
---@return true?, grid.Error?
function Keeper:invalidate(id, generation)
  local what = "keeper:invalidate"
  check(self, what, id)
  if type(generation) ~= "number" then argument.raise_type(generation, "%s: 'generation' must be a number", what) end
  return demand.invalidate(self, id, generation)
end

local REMOVE = { revoke = { type = "boolean" } }

--- Removes a session.
---@param id string
---@param given? { revoke?: boolean } revoke the refresh token at the server, where the exchange can
---@return true?, grid.Error?
function Keeper:remove(id, given)
  check(self, "keeper:remove", id, REMOVE, given)
  return editing.remove(self, id, given and given.revoke)
end

--- What the store and this process know of a session.
---@param id string
---@return grid.KeeperStatus?, grid.Error?
function Keeper:status(id)
  check(self, "keeper:status", id)
  return status.of(self, id)
end

local LIST = { limit = { type = "number", check = schema.count }, after = { type = "string" } }

--- The ids of the store, in byte order.
---@param given? { limit?: integer, after?: string } 100; the last id of the page before
---@return string[]?, grid.Error?
function Keeper:list(given)
  given = check_options(self, "keeper:list", LIST, given)
  return access.ids(self, "list", given.limit or 100, given.after)
end

local STOP_WHEN = { type = "function" }
local COUNT = { type = "number", check = schema.count }
local DUE = { limit = COUNT, concurrency = COUNT, stop_when = STOP_WHEN }

--- Refreshes the sessions that are due in the store, so that sessions without a caller
--- stay alive. Begins no further one once `stop_when` returns true.
---@param given? { limit?: integer, concurrency?: integer, stop_when?: fun(): any } 100; 16, where the host runs coroutines
---@return { due: integer, refreshed: integer, adopted: integer, failed: integer, elsewhere: integer }?, grid.Error?
function Keeper:refresh_due(given)
  return due.refresh(self, check_options(self, "keeper:refresh_due", DUE, given))
end

local START = { every = { type = "number", check = schema.seconds } }

--- Calls refresh_due in the background, until keeper:stop or keeper:close.
---@param given? { every?: number } seconds from one call to the next, 5
---@return true?, grid.Error?
function Keeper:start(given)
  return rounds.start(self, check_options(self, "keeper:start", START, given))
end

--- Ends what keeper:start has begun. Idempotent.
function Keeper:stop()
  check_self(self, "keeper:stop")
  rounds.stop(self)
end

local RUN = { every = START.every, stop_when = STOP_WHEN }

--- Calls refresh_due, and waits, until the process gets TERM, INT or HUP, or `stop_when`
--- returns true, or the keeper is closed. For a program that does nothing else.
---@param given? { every?: number, stop_when?: fun(): any }
---@return true?, grid.Error?
function Keeper:run(given)
  return rounds.run(self, check_options(self, "keeper:run", RUN, given))
end

--- Counters and gauges of this keeper, in Prometheus' text format.
---@return string
function Keeper:metrics()
  check_self(self, "keeper:metrics")
  return metrics.text(self)
end

--- Ends the keeper: waiting callers get the error `cancelled`; a refresh in flight is
--- completed and saved. Idempotent.
function Keeper:close()
  check_self(self, "keeper:close")
  if self.closed then return end
  self.closed = true
  memory.close(self)
  rounds.stop(self)
  demand.close(self)
  self:on_landed()
end

Keeper.__close = Keeper.close

return keeper
