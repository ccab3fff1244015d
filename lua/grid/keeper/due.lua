-- Refreshes the sessions that are due, independent of callers: one round.
-- Owns: which sessions are due, and their order.
-- Does not know: how a session is refreshed; when the next round is, see rounds.lua.

local access = require "grid.keeper.access"
local clock = require "grid.keeper.clock"
local core = require "grid.core"
local errors = require "grid.errors"
local event_loops = require "grid.keeper.event_loop"
local flights = require "grid.keeper.flights"
local spool = require "grid.keeper.spool"
local waiting = require "grid.keeper.waiting"

local due = {}

due.LIMIT = 100 -- sessions of a round
local CONCURRENCY = 16

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

-- The ids of a round that are for deferred ones: a quarter, on the average of the rounds.
local function share_of_deferred(keeper, limit)
  local share = keeper.deferred_share + limit / 4
  keeper.deferred_share = share % 1
  return math.floor(share)
end

-- The ids of a round. The deferred ones come last: the rounds before have put no record
-- for them, since it could not be read or written, is missing, dead, or not due by the
-- clock of this machine. They stay due, and must not keep the others from their turn; a
-- share of the round is theirs in any case. Those that were handled least recently come
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
  for i = #ids, limit - math.min(#last, share_of_deferred(keeper, limit)) + 1, -1 do ids[i] = nil end
  for i = 1, math.min(#last, limit - #ids) do ids[#ids + 1] = last[i] end
  return ids
end

--- Saves the answers that the store has not taken yet.
function due.save_pending(keeper)
  local ids = {}
  for id in pairs(keeper.pending) do ids[#ids + 1] = id end
  for _, id in ipairs(ids) do flights.await_one(keeper, { flights.offer(keeper, id, {}) }) end
  spool.commit(keeper)
end

-- Outcome of a flight -> the count that it adds to
local COUNTED = {
  refreshed = "refreshed", adopt = "adopted", failed = "failed", dead = "failed", kept = "failed", elsewhere = "elsewhere",
}

local function count(keeper, counts, flight)
  keeper.deferred[flight.id] = not flight.has_put and clock.boot() or nil
  if flight.outcome == "dead" and not flight.sent_at then return end -- it was dead before
  local name = COUNTED[flight.outcome or flight.keeps > 0 and "kept" or "elsewhere"]
  if name then counts[name] = counts[name] + 1 end
end

-- At most `concurrency` flights at once.
local function refresh_all(keeper, ids, concurrency, stop_when)
  local counts = { due = #ids, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }
  local in_flight = {}
  local function await_one()
    local i = flights.await_one(keeper, in_flight)
    count(keeper, counts, table.remove(in_flight, i))
  end
  for _, id in ipairs(ids) do
    if keeper.closed or stop_when and stop_when() then break end
    in_flight[#in_flight + 1] = flights.offer(keeper, id, {})
    if #in_flight >= concurrency then await_one() end
  end
  while #in_flight > 0 do await_one() end
  return counts
end

-- The second sender is kept, so that connections are reused.
local function loop_of(keeper)
  local loop = keeper.event_loop
  if not loop or loop:is_of_parent() then
    loop = event_loops.new()
    keeper.event_loop, keeper.event_loop_http = loop, keeper:new_http(loop.host)
  end
  return loop
end

-- Plain Lua has no event loop: the refreshes run in one of the keeper.
local function refresh_in_own_loop(keeper, ...)
  local engine, err = errors.core_result(core.engine())
  if not engine then return nil, err end
  local loop = loop_of(keeper)
  local inside = setmetatable({
    loop = loop, host = loop.host, http = keeper.event_loop_http, may_persist = false,
    on_landed = function() keeper:on_landed() end,
  }, { __index = keeper, __newindex = keeper })
  local counts
  loop.host.spawn(function(...) counts = refresh_all(inside, ...) end, ...)
  local ok, problem = pcall(loop.run, loop, engine)
  engine:close()
  if not ok then error(problem, 0) end
  if not counts then return nil, errors.forked() end
  return counts
end

--- Refreshes what is due.
---@return table? counts, grid.Error?
function due.refresh(keeper, given)
  local obstacle = waiting.obstacle(keeper.host)
  if obstacle then return nil, obstacle end
  due.save_pending(keeper)
  local ids, err = ids_of_round(keeper, given.limit or due.LIMIT)
  if not ids then return nil, err end
  local refresh = keeper.host.name == "blocking" and not keeper.closed and refresh_in_own_loop or refresh_all
  local counts
  counts, err = refresh(keeper, ids, given.concurrency or CONCURRENCY, given.stop_when)
  if not counts then return nil, err end
  keeper.last_due = clock.wall()
  return counts
end

return due
