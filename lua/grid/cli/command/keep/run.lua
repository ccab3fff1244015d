-- grid keep run: the keeper as a daemon.
-- Owns: the file of metrics, and the lines of events.
-- Does not know: which sessions are due.

local core = require "grid.core"
local display = require "grid.display"
local exit = require "grid.cli.exit"
local keeper_config = require "grid.cli.keeper_config"
local open_keeper = require "grid.cli.open_keeper"
local schema = require "grid.schema"
local waiting = require "grid.keeper.waiting"

local EVERY = 5 -- seconds
local OWNER_TIME = 3 -- seconds that a refresh of another program may take longer than an exchange
local NAP = 1 -- seconds from one round to the next

local run = {
  arguments = {},
  options = {
    config = keeper_config.option,
    every = { value = "SECONDS", number = true, help = "from one round to the next; default 5" },
    once = { help = "refresh the sessions that are due now, and end: for cron" },
    metrics = { value = "FILE", help = "written after each round, for node_exporter's textfile collector: NAME.prom" },
  },
  text = [[
Refreshes the sessions that are due, in rounds, also those that no program asks for; with
--once only those that are due now. Prints an event a line. After SIGTERM, SIGINT (^C) or
SIGHUP it ends when the refreshes in flight have ended and their answers are saved. Several
commands may run on one store: each refresh is sent once.
]],
  exit_codes = [[
exit codes:
  0  ended by SIGTERM, SIGINT (^C) or SIGHUP; with --once: each due session was refreshed
  1  failure: the store or the file of metrics cannot be used; with --once, too: a due
     session was not refreshed
  2  usage error; nothing was done
  70 internal error
]],
}

local function event_line(event)
  local parts = { event.name }
  if event.id then parts[#parts + 1] = " " .. display.one_line(event.id) end
  if event.generation then parts[#parts + 1] = (", generation %.0f"):format(event.generation) end
  if event.code then parts[#parts + 1] = (": %s (%s)"):format(event.kind or "error", display.one_line(event.code)) end
  return table.concat(parts)
end

-- The store fails in each round, without a pause, where a record cannot be read: that is
-- printed once, and again if it changes, or after another event of the session. `last`:
-- id -> code of the failure that was its last event.
local function is_repeated(last, event)
  local key, code = event.id or "", event.name == "failed" and event.kind == "store" and event.code or nil
  local before = last[key]
  last[key] = code
  return code ~= nil and code == before
end

-- Replaces the file by a rename, so that a reader sees a whole one. It has the mode of
-- new files, since the reader is another user; it holds no secret.
local function write_metrics(path, text)
  local temporary = path .. ".tmp"
  local file, problem = io.open(temporary, "w")
  if not file then return problem end
  local written
  written, problem = file:write(text)
  local closed, close_problem = file:close()
  if not written or not closed then return problem or close_problem end
  local renamed
  renamed, problem = os.rename(temporary, path)
  return not renamed and problem or nil
end

-- -> a function(is_now) that writes the metrics if they are due, or now
local function metrics_writer(keeper, path, every, output)
  local next_time, has_failed = 0, false
  return function(is_now)
    if not path or not is_now and core.now() < next_time then return end
    next_time = core.now() + every
    local problem = write_metrics(path, keeper:metrics())
    if problem and not has_failed then output:note("grid: cannot write the metrics: %s", problem) end
    has_failed = problem ~= nil
    return problem
  end
end

local ALL = 1000000 -- sessions of a round: each one has its turn, although those before it fail

-- A round; then others while other programs refresh some of the sessions. If such a
-- program has died on another machine, or before this one began anew, only a program that
-- has waited so long learns it. A signal ends the rounds.
local function run_once(keeper)
  local has_failed = false
  local function refresh()
    local counts = open_keeper.assert(keeper:refresh_due { limit = ALL, stop_when = core.signal_caught })
    has_failed = has_failed or counts.failed > 0
    return counts
  end
  local counts = refresh()
  local deadline = core.now() + keeper.timeout + OWNER_TIME
  while counts.elsewhere > 0 and core.now() < deadline and not core.signal_caught() do
    waiting.sleep(keeper.host, NAP)
    counts = refresh()
  end
  open_keeper.assert(keeper:list { limit = 1 }) -- refresh_due reports no unreadable record if others are due
  if has_failed then exit.failed "grid: keep run: a due session was not refreshed: `grid keep status ID` shows its last error" end
end

-- Ends the command if the store cannot be used. An unreadable record must not keep the
-- others from their refresh.
local function check_store(keeper, output)
  local ids, err = keeper:list { limit = 1 }
  local store = keeper.store
  local has_others = err and store.list_readable and store:list_readable(1)[1]
  if has_others then return output:note("%s", tostring(err)) end
  open_keeper.assert(ids, err)
end

local function run_until_signal(keeper, every, write)
  open_keeper.assert(keeper:run { every = every, stop_when = function() write(false) return false end })
end

-- -> seconds from one round to the next
local function check(given)
  if given.once and given.every then exit.usage "keep run: --once and --every exclude each other" end
  local every = given.every or EVERY
  local expected = schema.seconds(every)
  if expected then exit.usage("keep run: --every must be %s", expected) end
  return every
end

function run.run(given, output)
  local every, last = check(given), {}
  local function on_event(event)
    if is_repeated(last, event) then return end
    output:line("%s", event_line(event))
    output:object(event)
    output:flush()
  end
  open_keeper.use(given, output, function(keeper)
    if not given.once then check_store(keeper, output) end
    local write = metrics_writer(keeper, given.metrics, every, output)
    if write(true) then exit.failed "grid: keep run: --metrics names a file that cannot be written" end
    local ok, problem = pcall(given.once and run_once or run_until_signal, keeper, every, write)
    write(true)
    if not ok then error(problem, 0) end
  end, on_event)
  return 0
end

return run
