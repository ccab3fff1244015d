-- The calls get, refresh and invalidate, if they need the store or a refresh.
-- Owns: the rule for each state of a session; how long a caller waits.
-- Does not know: how a flight is carried out.

local access = require "grid.keeper.access"
local clock = require "grid.keeper.clock"
local failure = require "grid.keeper.failure"
local flights = require "grid.keeper.flights"
local memory = require "grid.keeper.memory"
local owner = require "grid.keeper.owner"
local waiting = require "grid.keeper.waiting"

local demand = {}

local DEFAULT_TIMEOUT = 5     -- seconds that `get` waits for the refresh of an expired session
local MANDATORY_WAIT = 1      -- seconds that `get` waits while the session is still valid
local TAKE_OVER_TIME = 1      -- seconds for taking over a refresh whose owner's time is over
local ELSEWHERE_PAUSE = 0.25  -- seconds between two looks at a refresh of another process in the advisory window
local CLOSE_TIME = 1          -- seconds that `close` waits for a store that takes no answer
local REFUSALS_APART = 30     -- seconds between two refreshes that `invalidate` requests

local function known(entry)
  return { lineage = entry.lineage, gen = entry.gen }
end

-- The `want` of a flight, see grid.keeper.flight, where the caller needs a session newer
-- than `before`.
local function urgent_want(before, known_rev, ends_if_changed)
  return {
    known = known(before), known_rev = known_rev, is_forced = true, is_last_chance = true, ends_if_changed = ends_if_changed,
  }
end

-- The next flight is the refresh that `invalidate` has requested.
local function clear_refusal(keeper, entry)
  if not entry.is_refused then return end
  entry.is_refused = false
  keeper.refusals[entry.id] = { lineage = entry.lineage, gen = entry.gen, at = clock.boot() }
  memory.arm(keeper, entry)
end

local function is_newer(entry, before)
  return entry.lineage ~= before.lineage or entry.gen > before.gen
end

local function is_enough(entry, call)
  local state = memory.state(entry, clock.boot())
  if state == "expired" then return false end
  return is_newer(entry, call.before) or not call.is_forced
end

-- The entry after a flight. -> entry | nil, error
local function entry_after_flight(keeper, call)
  local entry, err = memory.current(keeper, call.id)
  if not entry then return nil, err end
  if entry.dead then return nil, failure.dead(call.id, entry.dead) end
  return entry
end

-- Not "serve", the end of a flight that another caller has begun: a forced one sends.
local FINAL = { missing = true, forget = true, hold = true, kept = true }

-- Seconds after which another flight is worthwhile | nil: it is not
local function pause_before_next(call, flight, entry)
  if not flight.is_over or FINAL[flight.outcome] then return nil end
  if call.is_forced and flight.outcome == "failed" then return nil end
  if entry.born >= call.began then return nil end -- refreshed in this call, and expired already
  local seconds = 0
  if flight.outcome == "failed" or flight.outcome == "back_off" then seconds = flight.seconds end
  return seconds and clock.boot() + seconds <= call.deadline and seconds or nil
end

local function error_of(call, flight)
  local seconds = flight.seconds or 0
  local cause = flight.err
  if not flight.is_over or flight.outcome == "elsewhere" then
    cause = failure.under_way(call.id, flight.keeps > 0 and cause or nil)
  end
  if not cause and flight.outcome == "back_off" then cause = failure.backing_off(call.id, flight.code, seconds) end
  return cause, seconds
end

-- An expired session, or a forced refresh: flights until there is a newer session or the
-- time is over. -> session | nil, error, seconds
local function run_flights(keeper, call)
  local flight
  repeat
    flight = flights.join(keeper, call.id, call.want, call.deadline)
    if keeper.closed then return nil, failure.cancelled() end
    if flight.outcome == "changed" and call.want.ends_if_changed then return nil, "changed" end
    local entry, err = entry_after_flight(keeper, call)
    if not entry then return nil, err end
    if is_enough(entry, call) then return entry.session end
    call.want = urgent_want(entry)
    local pause = pause_before_next(call, flight, entry)
    if pause then waiting.sleep(keeper.host, pause) end
  until not pause or clock.boot() >= call.deadline
  return nil, error_of(call, flight)
end

-- Between two looks at the store the session in memory ages by CLOCK_BOOTTIME; the record
-- of another machine or boot ages by the wall clock, and may be fresh after that was set.
local function get_expired(keeper, call)
  call.want = urgent_want(call.before, call.want.known_rev)
  local session, err, seconds = run_flights(keeper, call)
  if session then return session end
  local is_final = err and (err.kind == "auth" and err.code == "reauthentication_required"
    or err.kind == "cancelled" or err.code == "not_found")
  if is_final then return nil, err end
  return nil, failure.expired(call.id, err, seconds)
end

-- A session that is still valid, and is served in any case.
local function get_mandatory(keeper, call, entry)
  if not flights.current(keeper, call.id) then clear_refusal(keeper, entry) end
  flights.join(keeper, call.id, call.want, math.min(call.deadline, call.began + MANDATORY_WAIT))
  local after, err = entry_after_flight(keeper, call)
  if not after then return nil, err end
  if memory.state(after, clock.boot()) == "expired" then return get_expired(keeper, call) end
  return after.session
end

local function get_advisory(keeper, call, entry)
  if clock.boot() >= entry.paused_until then
    local flight = flights.offer(keeper, call.id, call.want)
    if flight.outcome == "elsewhere" then
      entry.paused_until = clock.boot() + ELSEWHERE_PAUSE
      memory.arm(keeper, entry)
    end
  end
  local after, err = entry_after_flight(keeper, call)
  return after and after.session, err
end

-- A dead record may hold an answer that can be read now.
local function get_dead(keeper, call, entry)
  if entry.has_raws and not entry.has_read_raws then
    entry.has_read_raws = true
    flights.join(keeper, call.id, call.want, call.deadline)
  end
  local after, err = entry_after_flight(keeper, call)
  return after and after.session, err
end

local GETTERS = { mandatory = get_mandatory, advisory = get_advisory, expired = get_expired, dead = get_dead }

local function state_of(entry, now, min_ttl)
  if entry.dead then return "dead" end
  local state = memory.state(entry, now, min_ttl)
  if state == "expired" then return state end
  if entry.is_refused then return "mandatory" end
  if state == "mandatory" and now < entry.paused_until then return "paused" end
  return state
end

--- The session of an id, for a reader.
---@return grid.Session?, grid.Error?
function demand.get(keeper, id, given)
  local err = waiting.obstacle(keeper.host)
  local began = clock.boot()
  if keeper.pending[id] and not err then flights.offer(keeper, id, {}) end
  local entry, problem = memory.current(keeper, id)
  if not entry then return nil, problem end
  local min_ttl = given and given.min_ttl
  if min_ttl == 0 then min_ttl = nil end
  local getter = GETTERS[state_of(entry, began, min_ttl)]
  if not getter or min_ttl and entry.session and entry.born >= began then return entry.session end
  if err then
    if entry.session and memory.state(entry, began) ~= "expired" then return entry.session end
    return nil, err
  end
  local before = known(entry)
  return getter(keeper, {
    id = id, began = began, deadline = began + (given and given.timeout or DEFAULT_TIMEOUT), before = before,
    want = { known = before, known_rev = entry.rev, min_ttl = min_ttl, is_forced = entry.is_refused },
  }, entry)
end

-- With the record that memory has, unless `must_compare`. -> session | nil, error | nil,
-- "changed": memory has no record, or the store has another one
local function refresh(keeper, call, must_compare)
  local entry, err = memory.current(keeper, call.id, must_compare)
  if not entry then return nil, err end
  if not must_compare and not (entry.session and access.recall(keeper, call.id, entry.rev)) then return nil, "changed" end
  if entry.dead and not entry.has_raws then return nil, failure.dead(call.id, entry.dead) end
  clear_refusal(keeper, entry)
  call.before = known(entry)
  call.want = urgent_want(entry, entry.rev, not must_compare)
  return run_flights(keeper, call)
end

--- Refreshes now.
---@return grid.Session?, grid.Error?
function demand.refresh(keeper, id, given)
  local err = waiting.obstacle(keeper.host)
  if err then return nil, err end
  local began = clock.boot()
  local call = {
    id = id, began = began, deadline = began + (given and given.timeout or keeper.timeout + owner.COMMIT_TIME + TAKE_OVER_TIME),
    is_forced = true,
  }
  local session
  session, err = refresh(keeper, call, false)
  if err == "changed" then session, err = refresh(keeper, call, true) end
  if session then return session end
  return nil, err or failure.under_way(id)
end

--- A service has refused that generation: another one is adopted, or the next `get`
--- refreshes the session, once for each generation.
---@return true?, grid.Error?
function demand.invalidate(keeper, id, generation)
  local entry, err = memory.current(keeper, id, true)
  if not entry then return nil, err end
  if entry.dead then return nil, failure.dead(id, entry.dead) end
  local last = keeper.refusals[id]
  local is_told = last and last.lineage == entry.lineage and last.gen == entry.gen
  local is_soon = last and clock.boot() < last.at + REFUSALS_APART
  if entry.gen == generation and not is_told and not is_soon then
    entry.is_refused = true
    memory.arm(keeper, entry)
  end
  return true
end

--- Wakes all waiters of a keeper that was closed, and saves the answers that the store
--- has not taken yet.
function demand.close(keeper)
  for id in pairs(keeper.flights) do
    local flight = flights.current(keeper, id)
    if flight then waiting.wake(flight.waiters) end
  end
  local ids, deadline = {}, waiting.obstacle(keeper.host) and 0 or clock.boot() + CLOSE_TIME
  for id in pairs(keeper.pending) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do flights.offer(keeper, id, {}, deadline) end
end

return demand
