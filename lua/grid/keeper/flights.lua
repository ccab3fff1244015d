-- The flights of a keeper: one at a time for each id; callers wait for them.
-- Owns: the table of flights that have not ended, and the choice of the coroutine that
-- runs a flight: one of the event loop, if there is one, else the caller.
-- Does not know: the steps of a flight.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local runner = require "grid.keeper.flight"
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
-- then the collector frees it. On LuaJIT, which closes no coroutine, the status does not
-- show this: nginx reports coroutines of other requests as dead, and reuses ended ones.
local function is_dropped(flight)
  local carrier = flight.carrier
  if flight.witness and flight.witness:is_ended() then return true end
  return carrier ~= nil and (carrier.thread == nil or is_closed(carrier.thread))
end

--- The flight for an id that has not ended | nil. One that had not ended when the process
--- forked continues in the parent only.
function flights.current(keeper, id)
  local flight = keeper.flights[id]
  if not flight or flight.pid == core.pid() and not is_dropped(flight) then return flight end
  keeper.flights[id] = nil
  if flight.pid == core.pid() then
    flight.is_over, flight.outcome = true, "elsewhere"
    waiting.wake(flight.waiters)
  end
  return nil
end

--- The number of flights of this process that have not ended.
function flights.count(keeper)
  local count = 0
  for id in pairs(keeper.flights) do
    if flights.current(keeper, id) then count = count + 1 end
  end
  return count
end

-- Waiters are woken first; events come after, since a handler may take long.
local function conclude(keeper, flight)
  keeper.flights[flight.id] = nil
  flight.is_over = true
  if flight.witness then flight.witness:close() end
  waiting.wake(flight.waiters)
  for _, event in ipairs(flight.events or {}) do events.emit(keeper, event) end
  keeper:on_landed()
end

local WEAK = { __mode = "v" }

local function run(keeper, flight)
  local thread = coroutine.running()
  flight.witness = keeper.host.witness and keeper.host.witness()
  flight.carrier = thread and setmetatable({ thread = thread }, WEAK)
  runner.run(keeper, flight)
end

local function carry_out(keeper, flight)
  if flight.has_begun then return end
  flight.has_begun = true
  local ok, problem = pcall(run, keeper, flight)
  if not ok then flight.outcome, flight.err = "failed", failure.of_store(problem) end
  conclude(keeper, flight)
  if not ok then error(problem, 0) end
end

-- Begins a flight: in a coroutine of its own, if the caller could wait for that. A keeper
-- that was closed while a caller read the store begins nothing but the saving of answers.
local function begin(keeper, id, want, waits_until)
  if keeper.closed and not keeper.pending[id] then return { id = id, is_over = true, outcome = "closed" } end
  local flight = {
    id = id, want = want, waits_until = waits_until, waiters = {}, created = core.now(), pid = core.pid(),
    has_begun = false, is_over = false, can_persist = false, keeps = 0, last_keeps = 0,
  }
  keeper.flights[id] = flight
  local host = keeper.host
  local may_spawn = host.spawn ~= nil and waiting.is_possible(host)
  flight.can_persist = may_spawn and keeper.may_persist
  if not may_spawn or not host.spawn(carry_out, keeper, flight) then
    flight.can_persist = false
    carry_out(keeper, flight)
  end
  return flight
end

-- Carries out a flight that the loop has not begun in time. -> seconds until the next
-- check
local function ensure_begun(keeper, flight)
  if flight.has_begun then return LONGEST_WAIT end
  if core.now() < flight.created + SPAWN_TIMEOUT then return SPAWN_TIMEOUT end
  flight.can_persist = false
  carry_out(keeper, flight)
  return 0
end

local function wait_for(keeper, flight, deadline)
  local now = clock.boot()
  while flights.current(keeper, flight.id) == flight and now < deadline and not keeper.closed do
    local seconds = ensure_begun(keeper, flight)
    if seconds > 0 then waiting.wait(keeper.host, flight.waiters, math.min(deadline - now, seconds)) end
    now = clock.boot()
  end
end

--- Begins a flight unless one for the id has not ended, and waits for its end, at most
--- until `deadline` on CLOCK_BOOTTIME. -> the flight, which may not have ended
function flights.join(keeper, id, want, deadline)
  local flight = flights.current(keeper, id)
  if flight then
    flight.waits_until = math.max(flight.waits_until, deadline)
  else
    flight = begin(keeper, id, want, deadline)
  end
  if not flight.is_over and waiting.is_possible(keeper.host) then wait_for(keeper, flight, deadline) end
  return flight
end

--- Begins a flight in the background unless one for the id has not ended; without an
--- event loop the caller runs it. Such a flight waits for another process, or for a store
--- that takes no answer, until `deadline` on CLOCK_BOOTTIME; without one not at all.
---@param deadline number?
---@return table flight the one that has not ended, or the new one
function flights.offer(keeper, id, want, deadline)
  return flights.current(keeper, id) or begin(keeper, id, want, deadline or 0)
end

local MOST_KEEPS = 3 -- in 0.7 s

-- In the event loop of a keeper: is the flight one that this loop does not resume?
local function is_out_of_reach(keeper, flight)
  local carrier = flight.carrier
  return keeper.loop and not (carrier and keeper.loop:is_waiting(carrier.thread))
end

local function is_settled(keeper, flight)
  return keeper.closed or flight.keeps > MOST_KEEPS or flights.current(keeper, flight.id) ~= flight
    or is_out_of_reach(keeper, flight)
end

--- Waits until one of the flights has ended, or the keeper is closed, but not for a store
--- that does not take the answer: it may refuse that of one session only; and not for a
--- coroutine that cannot go on meanwhile. -> its index
function flights.await_one(keeper, list)
  while waiting.is_possible(keeper.host) do
    local seconds, waiters = LONGEST_WAIT, {}
    for i, flight in ipairs(list) do
      if is_settled(keeper, flight) then return i end
      seconds, waiters[i] = math.min(seconds, ensure_begun(keeper, flight)), flight.waiters
    end
    waiters[#waiters + 1] = keeper.loop and keeper.loop.observers or nil
    if seconds > 0 then waiting.wait_any(keeper.host, waiters, seconds) end
  end
  return 1 -- each of them was carried out by the caller
end

return flights
