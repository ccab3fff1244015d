-- One process of the soak: refreshes sessions of a store at random until the file `stop`
-- is there. With `die` it kills itself at a step, by chance, and says so before.
--   worker.lua folder=DIR url=URL reuse=strict ids=100 seed=1 timeout=10
--     [die=0.001] [redis=ADDRESS] [port=FILE] [ca_file=FILE]
-- Events and errors go to DIR/log, metrics to DIR/metrics-PID, no secrets.
-- Does not know: servers, faults, what should come of it.

local core = require "grid.core"
local grid = require "grid"
local process_keeper = require "spec.keeper.process_keeper"
local socket = require "socket"
local steps = require "spec.keeper.faults.steps"

local given = process_keeper.given(arg)

local pid = core.machine().pid
local log = assert(io.open(given.folder .. "/log", "a"))
log:setvbuf "line"

-- The generator of Park and Miller: the same on both VMs.
local chance = tonumber(given.seed) * 48271 % 2147483646 + 1
local function random()
  chance = chance * 48271 % 2147483647
  return chance / 2147483647
end

local id
local die = tonumber(given.die) or 0

local function at(step)
  if random() >= die then return end
  log:write("died ", id, " ", step, "\n")
  os.execute("kill -KILL " .. pid)
end

local records = given.redis and process_keeper.redis(given) or grid.store.file { directory = given.folder .. "/sessions" }
local store, exchange = steps.around(records, process_keeper.exchange(given), at)

local keeper = process_keeper.new(given, {
  store = store, exchange = exchange, on_event = function(event)
    log:write(("event %s %s %s %s %s\n"):format(event.name, event.id, event.generation or "-", event.kind or "-",
      event.code or "-"))
  end,
})

local function describe(err)
  if not err then return "" end
  return (" %s %s %s;%s"):format(err.kind, err.code, tostring(err), describe(err.cause))
end

local function is_over()
  local file = io.open(given.folder .. "/stop")
  return file and file:close()
end

local MOST_REFUSED = 20 -- connections in a row: the server has ended with the program that started it

local MOST_FAILED = 5000 -- operations of the store in a row, each after a pause: Redis has ended with that program

local dead, refused, failed = {}, 0, 0

local function count(session, err)
  if session then
    refused, failed = 0, 0
  elseif err.kind == "network" and err.sent == "no" then
    refused = refused + 1
  elseif err.kind == "store" then
    failed = failed + 1
    socket.sleep(0.01)
  end
end

repeat
  id = "id-" .. math.floor(random() * tonumber(given.ids)) + 1
  if not dead[id] then
    local session, err = keeper:refresh(id, { timeout = 0 })
    if err then log:write("error ", id, describe(err), "\n") else log:write("session ", tostring(session), "\n") end
    count(session, err)
    dead[id] = err and err.code == "reauthentication_required"
  end
until is_over() or refused > MOST_REFUSED or failed > MOST_FAILED

local file = assert(io.open(given.folder .. "/metrics-" .. pid, "w"))
file:write(keeper:metrics())
file:close()
keeper:close()
