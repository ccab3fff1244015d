-- The flights of a keeper: one at a time for each id; callers wait for them.
-- Owns: the table of flights in progress, and the choice of the coroutine that runs a
-- flight: one of the event loop, if there is one, else the caller.
-- Does not know: the steps of a flight.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local flight = require "grid.keeper.flight"
local waiting = require "grid.keeper.waiting"

local flights = {}

-- A loop may drop a spawned function, as nginx does when it has no free timer: a caller
-- then runs the flight.
local SPAWN_TIMEOUT = 0.1
local LONGEST_WAIT = 1 -- a flight may be dropped meanwhile

local function is_closed(thread)
  return coroutine.close ~= nil and coroutine.status(thread) == "dead"
end

-- The coroutine that carries out a flight may be closed while it waits, or be dropped:
-- then the collector takes it. On LuaJIT, which closes none, its status does not tell:
-- nginx calls those of other requests dead, and uses those that it has ended again.
local function is_dropped(one)
  local carrier = one.carrier
  if one.witness and one.witness:is_ended() then return true end
  return carrier ~= nil and (carrier.thread == nil or is_closed(carrier.thread))
end

--- The flight in progress for an id | nil. A flight that was in progress when the process
--- forked continues in the parent only.
function flights.current(keeper, id)
  local one = keeper.flights[id]
  if not one or one.pid == core.pid() and not is_dropped(one) then return one end
  keeper.flights[id] = nil
  if one.pid == core.pid() then
    one.is_over, one.outcome = true, "elsewhere"
    waiting.wake(one.waiters)
  end
  return nil
end

--- The number of flights in progress in this process.
function flights.count(keeper)
  local count = 0
  for id in pairs(keeper.flights) do
    if flights.current(keeper, id) then count = count + 1 end
  end
  return count
end

-- Waiters are woken first; events come after, since a handler may take long.
local function land(keeper, one)
  keeper.flights[one.id] = nil
  one.is_over = true
  if one.witness then one.witness:close() end
  waiting.wake(one.waiters)
  for _, event in ipairs(one.events or {}) do events.emit(keeper, event) end
  keeper:on_landed()
end

local WEAK = { __mode = "v" }

local function carry_out(keeper, one)
  if one.has_begun then return end
  one.has_begun = true
  local thread = coroutine.running()
  one.witness = keeper.host.witness and keeper.host.witness()
  one.carrier = thread and setmetatable({ thread = thread }, WEAK)
  local ok, problem = pcall(flight.run, keeper, one)
  if not ok then one.outcome, one.err = "failed", failure.of_store(problem) end
  land(keeper, one)
  if not ok then error(problem, 0) end
end

-- Begins a flight: in a coroutine of its own, if the caller could wait for that. A keeper
-- that was closed while a caller read the store begins nothing but the saving of answers.
local function begin(keeper, id, want, waits_until)
  if keeper.closed and not keeper.pending[id] then return { id = id, is_over = true, outcome = "closed" } end
  local one = {
    id = id, want = want, waits_until = waits_until, waiters = {}, created = core.now(), pid = core.pid(),
    has_begun = false, is_over = false, can_persist = false,
  }
  keeper.flights[id] = one
  local host = keeper.host
  local may_spawn = host.spawn ~= nil and waiting.is_possible(host)
  one.can_persist = may_spawn and keeper.may_persist
  if not may_spawn or not host.spawn(carry_out, keeper, one) then
    one.can_persist = false
    carry_out(keeper, one)
  end
  return one
end

local function wait_for(keeper, one, deadline)
  local host, now = keeper.host, clock.boot()
  while flights.current(keeper, one.id) == one and now < deadline and not keeper.closed do
    if not one.has_begun and core.now() >= one.created + SPAWN_TIMEOUT then
      one.can_persist = false
      carry_out(keeper, one)
    else
      waiting.wait(host, one.waiters, math.min(deadline - now, one.has_begun and LONGEST_WAIT or SPAWN_TIMEOUT))
    end
    now = clock.boot()
  end
end

--- Begins a flight unless one is in progress for the id, and waits for its end, at most
--- until `deadline` on CLOCK_BOOTTIME. -> the flight, which may not have ended
function flights.join(keeper, id, want, deadline)
  local one = flights.current(keeper, id)
  if one then one.waits_until = math.max(one.waits_until, deadline) else one = begin(keeper, id, want, deadline) end
  if not one.is_over and waiting.is_possible(keeper.host) then wait_for(keeper, one, deadline) end
  return one
end

--- Begins a flight in the background unless one is in progress; without an event loop the
--- caller runs it. Such a flight does not wait for another process.
---@return table flight the one in progress, or the new one
function flights.offer(keeper, id, want)
  return flights.current(keeper, id) or begin(keeper, id, want, 0)
end

--- Waits until a flight has ended, or the keeper is closed.
function flights.await(keeper, one)
  if waiting.is_possible(keeper.host) then wait_for(keeper, one, math.huge) end
end

return flights
