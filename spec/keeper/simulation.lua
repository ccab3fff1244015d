-- Simulates processes whose keepers share a store, under faults, from a seed: callers use
-- sessions for most of an hour, the processes end, and the faults do. Then each session
-- must be one that refreshes.
-- Owns: processes, faults of time and of processes, what must hold in the end.
-- Does not know: what a caller may expect.

local callers = require "spec.keeper.simulation_callers"
local flights = require "grid.keeper.flights"
local grid = require "grid"
local libraries = require "spec.keeper.simulation_library"
local servers = require "spec.keeper.simulation_server"
local stores = require "spec.keeper.simulation_stores"
local worlds = require "spec.keeper.simulation_world"

local simulation = {}

-- A scenario has
--   reuse          kind of the server: "strict", "idempotent", "grace"
--   network        { chance, faults }: names of simulation_server.lua
--   store          { chance, outage, outages, spares_reads }: of an operation to fail;
--                  "all" or "puts" fail in an outage; of one to begin or end, after each
--                  step of a thread; only in an outage fails `get`
--   spool          { chance }; nil: there is none
--   processes      at most; 3
--   is_remote      each process has a machine of its own
--   is_sealed      records and entries of the spool are
--   has_clocks     the wall clocks differ, and are set
--   jumps          all threads are late, by seconds
--   spawns         false: the host cannot
--   crash          chance of a process to crash, after each step of a thread
--   drop           of a spawned function not to be called; a tenth of it: of a caller to
--                  end where it waits
--   replace        of an add to be made where a caller chooses one
--   remove         the same of a removal
--   longest_pause  of a caller between two calls, 120
--   loses          sessions may die, since answers are lost

local IDS = { "first", "second" }
local LIFE, CALLS, LONGEST_PAUSE, ENDS_AT = 300, 40, 120, 3000
local MOST_STEPS = 200000

-- ---- Processes ------------------------------------------------------------------------

-- A late answer may revive a session, which then dies once more, in a later generation.
local function death_of(lineage, generation)
  return lineage .. " " .. generation
end

local function on_event(self, event)
  self.world:say("event", event.name, event.id, event.generation, event.code)
  self.events[event.name] = (self.events[event.name] or 0) + 1
  local record = event.name == "dead" and self.stores:stored(event.id)
  if not record then return end
  local death = death_of(record.lineage, event.generation)
  self.deaths[death] = (self.deaths[death] or 0) + 1
end

local function new_exchange(reuse)
  return grid.exchange.oauth2 {
    token_url = "https://a.example/token", client_id = "app", client_auth = "none", reuse = reuse,
    reuse_seconds = reuse == "grace" and servers.GRACE or nil,
    idempotency_header = reuse == "idempotent" and "Idempotency-Key" or nil,
  }
end

local function new_keeper(self, process)
  local stored = self.stores
  local keeper = grid.keeper {
    exchange = new_exchange(self.scenario.reuse), store = stored.store, timeout = 10, seal_keys = stored.seal_keys,
    on_event = function(event) on_event(self, event) end,
  }
  keeper.host = self.world:host(process, self.scenario)
  keeper.spool, keeper.has_opened_spool = stored.spool, stored.spool == nil
  keeper.http.perform = function(_, request) return self.server:perform(request) end
  self.library:in_order(keeper.entries)
  self.library:in_order(keeper.pending)
  return keeper
end

local function set_wall(self, process)
  if self.scenario.has_clocks then process.wall = self.world:integer(-3600, 3600) end
end

local function new_process(self, name)
  local process = { name = name, wall = 0, seen = {} }
  process.keeper = new_keeper(self, process)
  process.pid = process.keeper:env().me.pid
  self.world.alive[process.pid] = true
  self.keepers[#self.keepers + 1] = process.keeper
  return process
end

-- A process with callers, half of them with rounds in the background.
local function start_process(self)
  local world, scenario = self.world, self.scenario
  self.started = self.started + 1
  local process = new_process(self, "P" .. self.started)
  set_wall(self, process)
  table.insert(world.processes, process)
  local has_rounds = scenario.spawns ~= false and world:chance(0.5)
  for i = 1, world:integer(1, 4) do
    local thread = world:spawn(process, "." .. i, function()
      if has_rounds and i == 1 then process.keeper:start { every = 5 } end
      callers.run(self.callers, process, CALLS, scenario.longest_pause or LONGEST_PAUSE, ENDS_AT)
    end)
    thread.is_caller = true
  end
end

-- ---- Time and faults ------------------------------------------------------------------

local function has_callers(self)
  for _, thread in ipairs(self.world.threads) do
    if thread.is_caller then return true end
  end
  return false
end

local function close_all(self)
  local world = self.world
  world.is_down, self.is_closing = false, true
  for _, process in ipairs(world.processes) do
    world:spawn(process, ".close", function() process.keeper:close() end)
  end
end

-- Faults that do not depend on the thread that runs.
local function spoil(self)
  local world, scenario = self.world, self.scenario
  if world:chance(scenario.store.outages) then world.is_down = world:chance(0.5) end
  if scenario.has_clocks and world:chance(0.003) then set_wall(self, world:pick(world.processes)) end
  if scenario.jumps and world:chance(0.002) then world.now = world.now + world:unit() * 20 end
end

-- Faults of the thread that has run.
local function spoil_thread(self, thread)
  local world, scenario = self.world, self.scenario
  if world:chance(scenario.crash) then
    world:say("crash", thread.process.name)
    world:kill(thread.process)
    start_process(self)
  elseif thread.is_caller and world:chance((scenario.drop or 0) / 10) then
    world:say("dropped", thread.name)
    world:drop(thread)
  end
end

local function run_processes(self)
  local world, steps = self.world, 0
  world.is_calm = false
  for _ = 1, self.scenario.processes or world:integer(1, 3) do start_process(self) end
  while #world.threads > 0 and steps < MOST_STEPS do
    steps = steps + 1
    if not self.is_closing then spoil(self) end
    local thread = world:step()
    if thread and not thread.is_over and not self.is_closing then spoil_thread(self, thread) end
    if not self.is_closing and not has_callers(self) then close_all(self) end
  end
  if #world.threads > 0 then world:fail("a thread does not end:", world.threads[1].name) end
  world.is_calm, world.is_down, world.threads = true, false, {}
end

-- ---- The beginning and the end --------------------------------------------------------

local function add_sessions(self)
  local process = new_process(self, "setup")
  self.world:run_alone(process, function()
    for _, id in ipairs(IDS) do assert(process.keeper:add(id, self.server:log_in())) end
  end)
  self.world.alive[process.pid] = nil
end

-- A flight that has not begun is one whose spawned function was dropped.
local function check_keeper(self, process)
  for id, pending in pairs(process.keeper.pending) do
    if not pending.spooled then self.world:fail(process.name, "ended with an answer in memory only:", id) end
  end
  for id, flight in pairs(process.keeper.flights) do
    if flight.has_begun and flights.current(process.keeper, id) then
      self.world:fail(process.name, "ended with a refresh in flight:", id)
    end
  end
end

local function check_refresh(self, process, id)
  local session, err = process.keeper:refresh(id)
  self.world:say("final refresh", id, session and session.access_token, err and err.code)
  local is_excused = err and (err.code == "not_found" or self.scenario.loses and err.code == "reauthentication_required")
  if not session and not is_excused then self.world:fail("the final refresh:", id, err) end
end

-- A new process refreshes all sessions when the old ones are gone.
local function refresh_finally(self)
  local world = self.world
  for _, process in ipairs(world.processes) do world.alive[process.pid] = nil end
  world.now = world.now + 100
  local process = new_process(self, "final")
  world:run_alone(process, function()
    for _ = 1, 3 do
      process.keeper:refresh_due()
      world:sleep(70)
    end
    for _ = 1, 2 do
      for _, id in ipairs(IDS) do check_refresh(self, process, id) end
    end
  end)
end

local function check_deaths(self)
  for _, id in ipairs(IDS) do
    local record = self.stores:stored(id)
    local count = record and self.deaths[death_of(record.lineage, record.gen)] or 0
    if record and record.state == "dead" and count ~= 1 then self.world:fail("events of a dead session:", count) end
  end
end

local function check_end(self)
  local server = self.server
  if server.reuses > 0 and not self.scenario.loses then self.world:fail("tokens that were used twice:", server.reuses) end
  if not self.scenario.crash then check_deaths(self) end
  if self.stores:has_leftovers() then self.world:fail "an answer is left in the spool" end
end

local function simulate(self)
  add_sessions(self)
  run_processes(self)
  for _, process in ipairs(self.world.processes) do check_keeper(self, process) end
  refresh_finally(self)
  check_end(self)
end

local function new(scenario, seed)
  local world = worlds.new(seed, scenario.is_remote)
  local self = {
    world = world, scenario = scenario, server = servers.new(world, scenario, LIFE), stores = stores.new(world, scenario),
    keepers = {}, started = 0, is_closing = false, events = {}, deaths = {},
  }
  self.callers = callers.new(world, scenario, self.server, self.stores, IDS)
  return self
end

--- Runs a scenario. -> { world: with problems and log; server; events: counts by name }
function simulation.run(scenario, seed)
  local self = new(scenario, seed)
  self.library = libraries.replace(self.world)
  self.library:in_order(self.stores.records)
  local ok, problem = xpcall(function() simulate(self) end, debug.traceback)
  self.library:restore()
  for _, keeper in ipairs(self.keepers) do keeper.http:close() end
  if not ok then self.world:fail(problem) end
  return self
end

return simulation
