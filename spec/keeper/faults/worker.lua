-- One process of the fault matrix: does what it is told with one session, meets a fault
-- of its own at a step, and tells events and results on standard output, no secrets.
--   worker.lua folder=DIR url=URL reuse=strict do=get,refresh [at:STEP=ACTION] …
-- Actions: kill, stop (this process); arm, unarm (disk.c, by the file $DISK_ARMED).
-- Does not know: servers, what should come of it.

local core = require "grid.core"
local grid = require "grid"
local process_keeper = require "spec.keeper.process_keeper"
local steps = require "spec.keeper.faults.steps"

local PATIENCE = 30 -- seconds: longer than another process refreshes on a slow machine

local given = process_keeper.given(arg)

local function say(...)
  io.stdout:write(table.concat({ ... }, " "), "\n")
  io.stdout:flush()
end

local act = {}

function act.kill() os.execute("kill -KILL " .. core.machine().pid) end

function act.stop() os.execute("kill -STOP " .. core.machine().pid) end

function act.arm() assert(io.open(os.getenv "DISK_ARMED", "w")):close() end

function act.unarm() os.remove(os.getenv "DISK_ARMED") end

local function at(step)
  local action = given["at:" .. step]
  given["at:" .. step] = nil
  if action then act[action]() end
end

local store, exchange = steps.around(grid.store.file { directory = given.folder }, process_keeper.exchange(given), at)

local keeper = process_keeper.new(given, {
  store = store, exchange = exchange,
  on_event = function(event) say("event", event.name, event.generation or "-", event.code or "-") end,
})

local verbs = {
  get = function() return keeper:get(given.id, { timeout = PATIENCE }) end,
  refresh = function() return keeper:refresh(given.id) end,
  -- Until the pipe `go` is opened for writing, so that processes begin at once.
  wait = function()
    say "ready"
    assert(io.open(given.folder .. "/../go")):close()
    return keeper:status(given.id)
  end,
}

for verb in given["do"]:gmatch "[^,]+" do
  local session, err = verbs[verb]()
  if session then say(verb, "ok", session.generation or "")
  else say(verb, "err", err.kind, err.code, tostring(err.cause and err.cause.code or "-")) end
end
keeper:close()
