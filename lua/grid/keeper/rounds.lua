-- Repeats the rounds of due.lua: in the background, or as the work of a whole program.
-- Owns: the loops of `start` and `run`, and the pauses between two rounds.
-- Does not know: which sessions are due.

local core = require "grid.core"
local due = require "grid.keeper.due"
local errors = require "grid.errors"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local hosts = require "grid.host"
local random = require "grid.random"
local waiting = require "grid.keeper.waiting"

local rounds = {}

local EVERY = 5 -- seconds from one round to the next
local LONGEST_NAP = 0.2 -- seconds between two looks for a signal

-- Waits for the next round, at most `seconds`, in naps.
local function pause(keeper, seconds, is_over)
  local deadline = core.now() + seconds
  local left = seconds
  while left > 0 and not keeper.closed and not is_over() do
    local nap = math.min(left, LONGEST_NAP)
    if waiting.is_possible(keeper.host) then
      waiting.wait(keeper.host, keeper.pulse, nap)
    else
      waiting.sleep(keeper.host, nap)
    end
    left = deadline - core.now()
  end
end

-- One round of a loop. An error of the store is reported once, not in each round.
-- -> the error | nil, is more due than the round had room for?
local function round(keeper, before, is_over)
  local ok, counts, err = pcall(due.refresh, keeper, { stop_when = is_over })
  if not ok then err = failure.of_store(counts) end
  if err and not (before and before.kind == err.kind and before.code == err.code) then
    events.emit(keeper, { name = "failed", kind = err.kind, code = err.code })
  end
  return err, not err and counts.due >= due.LIMIT and counts.refreshed + counts.adopted > 0
end

local function loop(keeper, every, is_over)
  local err, is_more_due
  while not keeper.closed and not is_over() do
    local began = core.now()
    err, is_more_due = round(keeper, err, is_over)
    if not is_more_due then pause(keeper, began + every - core.now(), is_over) end
  end
end

-- An error outside of a round ("not enough memory") ends the loop: `revive` begins it
-- again.
local function tick(keeper, ticker)
  if ticker.has_begun then return end
  ticker.has_begun, ticker.witness = true, keeper.host.witness and keeper.host.witness()
  local function is_over() return keeper.ticker ~= ticker or hosts.is_ending(keeper.host) end
  local ok, problem = pcall(function()
    pause(keeper, ticker.delay, is_over)
    loop(keeper, ticker.every, is_over)
  end)
  if ok then return end
  ticker.has_begun = false
  error(problem, 0)
end

local SHORTEST_CHECK, LONGEST_CHECK = 1, 60 -- seconds between two checks of a loop

-- Begins the loop again if it has ended, or was dropped before it began; in this
-- coroutine, if no other one can be spawned. The ticker refers to the keeper until the
-- loop is stopped. -> is it still wanted?
local function revive(ticker)
  local keeper = ticker.keeper
  if not keeper then return false end
  if not ticker.has_begun or ticker.witness and ticker.witness:is_ended() then
    ticker.has_begun = false
    if not keeper.host.spawn(tick, keeper, ticker) then tick(keeper, ticker) end
  end
  return true
end

local function check_often(host, ticker)
  if host.every then host.every(math.max(SHORTEST_CHECK, math.min(ticker.every, LONGEST_CHECK)), revive, ticker) end
end

local function no_background(host, cause)
  return errors.new {
    kind = "request", code = "no_background",
    message = ("the host '%s' cannot run code in the background here%s: call keeper:run, or keeper:refresh_due at intervals; "
      .. "in nginx, call keeper:start in init_worker_by_lua"):format(host.name, cause and ", since " .. tostring(cause) or ""),
  }
end

--- Begins the rounds in the background, the first one at a random time, since the workers
--- of an nginx start together. -> true | nil, error
function rounds.start(keeper, given)
  local host, every = keeper.host, given.every or EVERY
  local ticker = { keeper = keeper, every = every, delay = every * random.unit(), has_begun = false, witness = nil }
  rounds.stop(keeper)
  local obstacle = host.background_obstacle and host.background_obstacle()
  if obstacle then return nil, no_background(host, obstacle) end
  keeper.ticker = ticker
  local ok, cause
  if host.spawn then ok, cause = host.spawn(tick, keeper, ticker) end
  if ok then
    check_often(host, ticker)
    return true
  end
  keeper.ticker = false
  return nil, no_background(host, cause)
end

--- Ends the rounds.
function rounds.stop(keeper)
  if keeper.ticker then keeper.ticker.keeper = false end
  keeper.ticker = false
  waiting.wake(keeper.pulse)
end

local function run(keeper, every, stop_when)
  local is_stopped = false
  loop(keeper, every, function()
    is_stopped = is_stopped or core.signal_caught() or hosts.is_ending(keeper.host)
      or stop_when and stop_when() -- which may tell it only once
    return is_stopped
  end)
  if not keeper.closed then due.save_pending(keeper) end
end

--- Runs the rounds until a signal, until the process ends, or until `stop_when` returns
--- true. After that, signals do what they did before. A host that knows when its process
--- ends handles the signals itself.
function rounds.run(keeper, given)
  local obstacle = waiting.obstacle(keeper.host)
  if obstacle then return nil, obstacle end
  local catches = not keeper.host.is_ending
  if catches then core.catch_signals() end
  local ok, problem = pcall(run, keeper, given.every or EVERY, given.stop_when)
  if catches then core.release_signals() end
  if not ok then error(problem, 0) end
  return true
end

return rounds
