-- What a simulation takes place in: random numbers, a clock that goes on while threads
-- wait, the threads of several processes, and the hosts that run them. Runs with the same
-- seed are the same in all VMs.
-- Owns: threads, which of them are over or gone, and the log.
-- Does not know: what a keeper should do; the library, whose clocks are replaced by
-- simulation_library.lua.

local STEP = 0.0005 -- seconds that a step of a thread takes
local LATENESS = 0.001 -- of a timer

-- Those of nginx would yield to its event loop.
local create = rawget(coroutine, "_create") or coroutine.create
local resume = rawget(coroutine, "_resume") or coroutine.resume
local yield = rawget(coroutine, "_yield") or coroutine.yield
local status = rawget(coroutine, "_status") or coroutine.status

local World = {}
World.__index = World

-- ---- Random numbers -------------------------------------------------------------------

-- The generator of Park and Miller, exact in doubles.
local function advance(self)
  self.random = self.random * 16807 % 2147483647
  return self.random
end

--- From 0 up to 1.
function World:unit()
  return (advance(self) - 1) / 2147483646
end

function World:integer(low, high)
  return low + math.floor(self:unit() * (high - low + 1))
end

function World:chance(probability)
  return probability ~= nil and probability > 0 and self:unit() < probability
end

function World:pick(list)
  return list[self:integer(1, #list)]
end

--- Looks like a UUID.
function World:uuid()
  local parts = {}
  for i = 1, 4 do parts[i] = ("%08x"):format(advance(self)) end
  return (table.concat(parts):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

-- ---- The log --------------------------------------------------------------------------

--- Notes what happens, for the report of a run that fails.
function World:say(...)
  self.log[#self.log + 1] = { self.now, self.running and self.running.name or "-", select("#", ...), ... }
end

local function line_of(entry)
  local words = { ("%9.3f %-5s"):format(entry[1], entry[2]) }
  for i = 4, 3 + entry[3] do words[#words + 1] = tostring(entry[i]) end
  return table.concat(words, " ")
end

--- The last lines of the log, up to the first failure.
function World:tail(count)
  local lines, last = {}, self.failed_at or #self.log
  for i = math.max(1, last - count + 1), last do lines[#lines + 1] = line_of(self.log[i]) end
  return table.concat(lines, "\n")
end

--- Notes that something does not hold.
function World:fail(...)
  self:say("FAILED", ...)
  self.failed_at = self.failed_at or #self.log
  local words = { ... }
  for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
  self.problems[#self.problems + 1] = table.concat(words, " ")
end

-- ---- Threads and their hosts ----------------------------------------------------------

--- Begins a thread of a process. -> the thread
function World:spawn(process, name, work)
  local thread = { process = process, name = process.name .. name, wakes_at = 0, coroutine = create(work) }
  self.threads[#self.threads + 1] = thread
  return thread
end

--- Other threads may run meanwhile.
function World:pause()
  if self.running then yield(0) end
end

--- The running thread waits.
function World:sleep(seconds)
  local deadline = self.now + seconds
  repeat yield(deadline) until self.now >= deadline
end

local function index_of(list, value)
  for i, item in ipairs(list) do
    if item == value then return i end
  end
end

--- Ends a thread where it waits, as an event loop may do.
function World:drop(thread)
  thread.is_gone = true
  table.remove(self.threads, index_of(self.threads, thread))
end

--- Ends a process where its threads wait.
function World:kill(process)
  for i = #self.threads, 1, -1 do
    if self.threads[i].process == process then self:drop(self.threads[i]) end
  end
  table.remove(self.processes, index_of(self.processes, process))
  self.alive[process.pid] = nil
end

local function new_condition(world)
  local condition, is_signalled, thread = {}, false, nil
  function condition:wait(seconds) -- luacheck: no self
    local deadline = world.now + seconds
    thread = world.running
    while not is_signalled and world.now < deadline do yield(deadline) end
    is_signalled = false
  end
  function condition:signal() -- luacheck: no self
    is_signalled = true
    if thread then thread.wakes_at = 0 end
  end
  function condition:is_abandoned() -- luacheck: no self
    return thread ~= nil and thread.is_gone == true
  end
  return condition
end

local function new_witness(world)
  local thread = world.running
  return { is_ended = function() return thread.is_gone == true end, close = function() end }
end

--- The host of a process, with the `spawns` and `drop` of a scenario.
function World:host(process, scenario)
  local host = { name = "simulated", now = function() return self.now end }
  function host.can_yield() return self.running ~= nil end
  function host.condition() return new_condition(self) end
  function host.witness() return new_witness(self) end
  if scenario.spawns == false then return host end
  function host.spawn(work, ...)
    if not self.is_calm and self:chance(scenario.drop) then return true end
    local arguments, count = { ... }, select("#", ...)
    self:spawn(process, "+", function() work((table.unpack or unpack)(arguments, 1, count)) end)
    return true
  end
  return host
end

local function run(self, thread)
  self.running = thread
  local ok, wakes_at = resume(thread.coroutine)
  self.running = false
  self.now = self.now + STEP
  if not ok then self:fail("raised", wakes_at, debug.traceback(thread.coroutine)) end
  if status(thread.coroutine) == "dead" then
    thread.is_over = true
    local i = index_of(self.threads, thread)
    if i then table.remove(self.threads, i) end
  else
    thread.wakes_at = wakes_at
  end
end

--- Runs one of the threads up to its next wait, or lets time pass if all of them wait.
--- -> the thread, if one has run
function World:step()
  local ready, soonest = {}, math.huge
  for _, thread in ipairs(self.threads) do
    if thread.wakes_at <= self.now then ready[#ready + 1] = thread end
    soonest = math.min(soonest, thread.wakes_at)
  end
  if #ready == 0 then
    self.now = soonest + LATENESS
    return nil
  end
  local thread = self:pick(ready)
  run(self, thread)
  return thread
end

--- Runs a function as the only thread.
function World:run_alone(process, work)
  local threads = self.threads
  self.threads = {}
  self:spawn(process, "", work)
  while #self.threads > 0 do self:step() end
  self.threads = threads
end

local world = {}

--- A world in which nothing has happened. `is_remote`: each process has a machine of its
--- own.
function world.new(seed, is_remote)
  local self = setmetatable({
    random = 1 + seed * 48271 % 2147483646, now = 0, is_remote = is_remote, running = false,
    is_calm = true, -- no faults
    is_down = false, -- stores fail as their `outage` says
    threads = {}, processes = {}, log = {}, problems = {},
    alive = {}, -- pids of processes -> true
  }, World)
  for _ = 1, 5 do advance(self) end
  return self
end

return world
