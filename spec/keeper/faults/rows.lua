-- The faults of the matrix: for each its words in the table, and what happens to a cell.
-- `run(cell, tools)`; `tools` has the paths of the libraries to preload. `needs()`: can
-- the fault be made here? `life`: seconds of the session (an hour).
-- Does not know: what should come of it.

local cells = require "spec.keeper.faults.cell"
local child = require "spec.support.child"

local rows = {}

local LONG = 60 -- seconds: longer than a cell lasts

local function add(text, run, more)
  local row = more or {}
  row.text, row.run = text, run
  rows[#rows + 1] = row
end

local REFRESH = "do=refresh"

local function is_stopped(one) return function() return one:is_stopped() end end

-- ---- Processes that die ---------------------------------------------------------------

local KILLED = {
  { "read", "before the record is read" }, { "intent", "before the intent is put" },
  { "intent_done", "after the intent was put" }, { "request", "right before the request is sent" },
  { "answer", "when the answer has come" }, { "save", "before the answer is put" },
  { "save_done", "after the answer was put" },
}

for i, step in ipairs(KILLED) do
  add(("kill -9, step %d: %s"):format(i, step[2]), function(cell)
    cell:run { REFRESH, "at:" .. step[1] .. "=kill" }
    cell:recover()
  end)
end

-- The process, and the server that has executed its request and does not answer.
local function refresh_unanswered(cell, options)
  cell:fault { kind = "delay", answer_delay = LONG }
  local one = cell:start({ REFRESH }, options)
  cell:wait_executed()
  return one
end

add("kill -9 while the server answers, which has executed", function(cell)
  refresh_unanswered(cell):signal "KILL"
  cell:recover()
end)

-- ---- Processes that are paused --------------------------------------------------------

local STOPPED = {
  { "request", "right before the send" }, { "answer", "when the answer has come" }, { "save", "before the answer is put" },
}

for _, step in ipairs(STOPPED) do
  add("SIGSTOP past the deadline " .. step[2] .. ", SIGCONT after the others", function(cell)
    local one = cell:start { REFRESH, "at:" .. step[1] .. "=stop" }
    cells.wait("the stop of " .. cell.id, is_stopped(one))
    cell:recover()
    one:signal "CONT"
    cell:finish(one)
  end)
end

-- ---- The network and the server -------------------------------------------------------

local function faulted(text, fault)
  add(text, function(cell)
    local copy = {}
    for name, value in pairs(fault) do copy[name] = value end
    cell:fault(copy)
    cell:run { REFRESH }
    cell:recover()
  end)
end

faulted("request lost", { kind = "drop" })
faulted("request delayed past the timeout, then executed", { kind = "delay", delay = cells.TIMEOUT + 0.5 })
faulted("request executed twice", { kind = "twice" })
faulted("answer lost", { kind = "drop", execute = true })
faulted("answer delayed past the timeout", { kind = "delay", answer_delay = cells.TIMEOUT + 0.5 })
faulted("answer doubled", { kind = "double" })
faulted("answer cut off", { kind = "truncate", execute = true })
faulted("answer replaced by HTML, status 200", { kind = "html", execute = true })
faulted("500, executed", { kind = "status", status = 500, execute = true })
faulted("500, stored for the key, not executed", { kind = "stored" })
faulted("503 and Retry-After", { kind = "status", status = 503, retry_after = 1 })
faulted("429 and Retry-After", { kind = "status", status = 429, retry_after = 1 })
faulted("answer without a refresh token", { kind = "no_refresh_token", execute = true })
faulted("absurd lifetime", { kind = "expires_in", json = "1e300", execute = true })

-- ---- The disk -------------------------------------------------------------------------

local function disk(text, call, words)
  add(text, function(cell, tools)
    local env = { LD_PRELOAD = tools.disk, DISK_FAILS = call, DISK_ARMED = cell.path .. "/armed" }
    cell:run({ REFRESH, (table.unpack or unpack)(words) }, { env = env })
    os.remove(env.DISK_ARMED)
    cell:recover()
  end)
end

local EIO, ENOSPC = 5, 28
disk("EIO when the intent is put", "sync " .. EIO, { "at:intent=arm" })
disk("ENOSPC when the intent is put", "write " .. ENOSPC, { "at:intent=arm" })
disk("EIO when the answer is put, for a moment", "sync " .. EIO, { "at:save=arm", "at:save_failed=unarm" })
disk("ENOSPC when the answer is put, for a moment", "write " .. ENOSPC, { "at:save=arm", "at:save_failed=unarm" })
disk("ENOSPC when the answer is put, then kill -9", "write " .. ENOSPC, { "at:save=arm", "at:save_failed=kill" })

-- ---- Clocks, containers, reboots ------------------------------------------------------

for _, hours in ipairs { 1, -1 } do
  add(("wall clock %+d h in the process that refreshes"):format(hours), function(cell, tools)
    cell:run({ REFRESH }, { env = { LD_PRELOAD = tools.clock, WALL_OFFSET = tostring(hours * 3600) } })
    cell:recover()
  end)
end

local function can_unshare()
  return child.capture "unshare --pid --fork --mount-proc --time --boottime 10 true 2>&1 && echo yes" == "yes"
end

-- As pid 1 of its namespace the process could not be killed from within.
local CONTAINER = "unshare --pid --fork --mount-proc --kill-child"

add("kill -9 in another pid namespace while the server answers", function(cell)
  refresh_unanswered(cell, { prefix = CONTAINER }):signal "KILL"
  cell:recover()
end, { needs = can_unshare })

add("the same, and another time namespace", function(cell)
  refresh_unanswered(cell, { prefix = CONTAINER .. " --time --boottime 100000" }):signal "KILL"
  cell:recover()
end, { needs = can_unshare })

-- For the processes after the fault the boot id is another one.
local REBOOTED = "unshare --mount sh -c 'mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"' "

add("reboot while the server answers", function(cell)
  refresh_unanswered(cell):signal "KILL"
  local file = assert(io.open(cell.path .. "/boot_id", "w"))
  file:write "01234567-89ab-4cde-8f01-23456789abcd\n"
  file:close()
  cell:recover { prefix = REBOOTED .. cell.path .. "/boot_id" }
end, { needs = can_unshare })

-- ---- Many at once ---------------------------------------------------------------------

local MANY = 32

add(MANY .. " processes at once on one expired session, on both VMs", function(cell)
  local all = cell:gather(MANY, function() return cell:start { "do=wait,get" } end)
  cells.sleep(1) -- until the session has expired
  cell:go(all)
  for _, one in ipairs(all) do
    if not one:output():find "get ok 2" then error(one:output(), 0) end
  end
  cell:recover()
end, { life = 1 })

return rows
