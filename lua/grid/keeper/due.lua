-- Refreshes the sessions that are due, independent of callers: once, in the background,
-- or as the work of a whole program.
-- Owns: which sessions are due; the loops of `start` and `run`.
-- Does not know: how a session is refreshed.

local access = require "grid.keeper.access"
local clock = require "grid.keeper.clock"
local core = require "grid.core"
local errors = require "grid.errors"
local event_loops = require "grid.keeper.event_loop"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local flights = require "grid.keeper.flights"
local random = require "grid.random"
local spool = require "grid.keeper.spool"
local waiting = require "grid.keeper.waiting"

local due = {}

local EVERY, LIMIT, CONCURRENCY = 5, 100, 16

-- The ids that are due in the store, and those in memory that are due by CLOCK_BOOTTIME:
-- the store goes by the wall clock, which may have been set back. -> ids | nil, error
local function all_due(keeper, limit)
  local ids, err = access.ids(keeper, "due", clock.wall(), limit)
  if not ids then return nil, err end
  local now, is_listed, all = clock.boot(), {}, {}
  for i, id in ipairs(ids) do all[i], is_listed[id] = id, true end
  for id, entry in pairs(keeper.entries) do
    if #all >= limit then break end
    local is_due = entry.session and now >= math.max(entry.born + entry.schedule.advisory, entry.paused_until)
    if is_due and not is_listed[id] then all[#all + 1] = id end
  end
  return all
end

local function size(map)
  local count = 0
  for _ in pairs(map) do count = count + 1 end
  return count
end

-- The ids of a round. The deferred ones come last: the rounds before have put no record
-- for them, since it could not be read or written, is missing, dead, or not due by the
-- clock of this machine. They stay due, and must not keep the others from their turn; a
-- quarter of the round is theirs in any case. Those that were handled least recently come
-- first. -> ids | nil, error
local function ids_of_round(keeper, limit)
  local deferred = keeper.deferred
  local all, err = all_due(keeper, limit + size(deferred))
  if not all then return nil, err end
  local ids, last = {}, {}
  keeper.deferred = {}
  for _, id in ipairs(all) do
    local list = deferred[id] and last or ids
    keeper.deferred[id] = deferred[id]
    list[#list + 1] = id
  end
  table.sort(last, function(a, b) return deferred[a] < deferred[b] end)
  for i = #ids, limit - math.min(#last, math.floor(limit / 4)) + 1, -1 do ids[i] = nil end
  for i = 1, math.min(#last, limit - #ids) do ids[#ids + 1] = last[i] end
  return ids
end

local function save_pending(keeper)
  local ids = {}
  for id in pairs(keeper.pending) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do flights.await(keeper, flights.offer(keeper, id, {})) end
  spool.commit(keeper)
end

-- Outcome of a flight -> the count that it adds to
local COUNTED = {
  refreshed = "refreshed", adopt = "adopted", failed = "failed", dead = "failed", kept = "failed", elsewhere = "elsewhere",
}

local function count(keeper, counts, flight)
  keeper.deferred[flight.id] = not flight.has_put and clock.boot() or nil
  if flight.outcome == "dead" and not flight.has_put then return end -- it was dead before
  local name = COUNTED[flight.outcome or "kept"] -- without an outcome it waits for the store
  if name then counts[name] = counts[name] + 1 end
end

-- At most `concurrency` flights at once.
local function refresh_all(keeper, ids, concurrency, stop_when)
  local counts = { due = #ids, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }
  local under_way, first, last = {}, 1, 0
  local function await_first()
    local flight = under_way[first]
    under_way[first], first = nil, first + 1
    flights.await(keeper, flight)
    count(keeper, counts, flight)
  end
  for _, id in ipairs(ids) do
    if keeper.closed or stop_when and stop_when() then break end
    last = last + 1
    under_way[last] = flights.offer(keeper, id, {})
    if last - first + 1 >= concurrency then await_first() end
  end
  while first <= last do await_first() end
  return counts
end

-- Plain Lua has no event loop: the refreshes run in one of the keeper. The second sender
-- is kept, so that connections are reused.
local function refresh_in_own_loop(keeper, ...)
  local engine, err = errors.core_result(core.engine())
  if not engine then return nil, err end
  local loop = keeper.event_loop or event_loops.new()
  keeper.event_loop = loop
  keeper.event_loop_http = keeper.event_loop_http or keeper:new_http(loop.host)
  local inside = setmetatable({
    host = loop.host, http = keeper.event_loop_http, may_persist = false, on_landed = function() keeper:on_landed() end,
  }, { __index = keeper })
  local counts
  loop.host.spawn(function(...) counts = refresh_all(inside, ...) end, ...)
  local ok, problem = pcall(loop.run, loop, engine)
  engine:close()
  if not ok then error(problem, 0) end
  return counts
end

--- Refreshes what is due.
---@return table? counts, grid.Error?
function due.refresh(keeper, given)
  local obstacle = waiting.obstacle(keeper.host)
  if obstacle then return nil, obstacle end
  save_pending(keeper)
  local ids, err = ids_of_round(keeper, given.limit or LIMIT)
  if not ids then return nil, err end
  local refresh = keeper.host.name == "blocking" and not keeper.closed and refresh_in_own_loop or refresh_all
  local counts
  counts, err = refresh(keeper, ids, given.concurrency or CONCURRENCY, given.stop_when)
  if not counts then return nil, err end
  keeper.last_due = clock.wall()
  return counts
end

local LONGEST_NAP = 0.2 -- seconds between two looks for a signal

-- Waits for the next round, at most `seconds`. With `is_over`, in naps.
local function pause(keeper, seconds, is_over)
  local deadline = core.now() + seconds
  local left = seconds
  while left > 0 and not keeper.closed and not is_over() do
    if waiting.is_possible(keeper.host) then
      waiting.wait(keeper.host, keeper.pulse, math.min(left, is_over and LONGEST_NAP or left))
    else
      waiting.sleep(keeper.host, math.min(left, LONGEST_NAP))
    end
    left = deadline - core.now()
  end
end

-- One round of a loop. An error of the store is told once, not in each round.
-- -> the error | nil, is more due than the round had room for?
local function round(keeper, before, is_over)
  local ok, counts, err = pcall(due.refresh, keeper, { stop_when = is_over })
  if not ok then err = failure.of_store(counts) end
  if err and not (before and before.kind == err.kind and before.code == err.code) then
    events.emit(keeper, { name = "failed", kind = err.kind, code = err.code })
  end
  return err, not err and counts.due >= LIMIT and counts.refreshed + counts.adopted > 0
end

local function loop(keeper, every, is_over)
  local err, is_more_due
  while not keeper.closed and not is_over() do
    local began = core.now()
    err, is_more_due = round(keeper, err, is_over)
    if not is_more_due then pause(keeper, began + every - core.now(), is_over) end
  end
end

local function tick(keeper, ticker)
  if ticker.has_begun then return end
  ticker.has_begun, ticker.witness = true, keeper.host.witness and keeper.host.witness()
  local function is_over() return keeper.ticker ~= ticker or waiting.is_ending(keeper.host) end
  pause(keeper, ticker.delay, is_over)
  loop(keeper, ticker.every, is_over)
end

local SHORTEST_CHECK, LONGEST_CHECK = 1, 60 -- seconds between two checks of a loop

-- Begins the loop again if it was ended, or dropped before it began. The ticker refers to
-- the keeper until the loop is stopped. -> is it still wanted?
local function revive(ticker)
  local keeper = ticker.keeper
  if not keeper then return false end
  if not ticker.has_begun or ticker.witness and ticker.witness:is_ended() then
    ticker.has_begun = false
    keeper.host.spawn(tick, keeper, ticker)
  end
  return true
end

local function check_often(host, ticker)
  if host.every then host.every(math.max(SHORTEST_CHECK, math.min(ticker.every, LONGEST_CHECK)), revive, ticker) end
end

--- Begins the rounds in the background, the first one at a random time, since the workers
--- of an nginx start together. -> true | nil, error
function due.start(keeper, given)
  local host, every = keeper.host, given.every or EVERY
  local ticker = { keeper = keeper, every = every, delay = every * random.unit(), has_begun = false, witness = nil }
  due.stop(keeper)
  keeper.ticker = ticker
  if host.spawn and host.spawn(tick, keeper, ticker) then
    check_often(host, ticker)
    return true
  end
  keeper.ticker = false
  return nil, errors.new {
    kind = "request", code = "no_background",
    message = ("nothing runs in the background with the host '%s' here: call keeper:run, or keeper:refresh_due now and then; "
      .. "in nginx, call keeper:start in init_worker_by_lua"):format(host.name),
  }
end

--- Ends the rounds.
function due.stop(keeper)
  if keeper.ticker then keeper.ticker.keeper = false end
  keeper.ticker = false
  waiting.wake(keeper.pulse)
end

local function run(keeper, every, stop_when)
  local is_stopped = false
  loop(keeper, every, function()
    is_stopped = is_stopped or core.signal_caught() or stop_when and stop_when() -- which may tell it only once
    return is_stopped
  end)
  if not keeper.closed then save_pending(keeper) end
end

--- Runs the rounds until a signal, or until `stop_when` returns true. After that, signals
--- do what they did before.
function due.run(keeper, given)
  local obstacle = waiting.obstacle(keeper.host)
  if obstacle then return nil, obstacle end
  core.catch_signals()
  local ok, problem = pcall(run, keeper, given.every or EVERY, given.stop_when)
  core.release_signals()
  if not ok then error(problem, 0) end
  return true
end

return due
