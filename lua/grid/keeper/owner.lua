-- The owner of an intent: how a process names itself, and whether an owner is dead.
-- Pure; no wall clock is compared. `me` is what core.machine tells of the running
-- process, read at each intent, with `instance`, a random name of the keeper, all of it
-- text. An owner is `me` with `time`, how long it may take, and `deadline`, when that is
-- over on its CLOCK_BOOTTIME: both in whole milliseconds, as text.
-- Facts are what the caller has seen of an owner:
--   in_flight     a flight of this keeper is under way for the record
--   is_local      the store serves one host
--   process       { state, start_time } of core.process, asked for with `process_of`
--   same_rev_for  seconds on the caller's CLOCK_BOOTTIME since it first saw this very rev
-- Does not know: records, intents, stores.

local timing = require "grid.keeper.timing"

local owner = {}

--- Seconds for the commit, after the exchange has timed out.
owner.COMMIT_TIME = 2

local NAMED = { "machine_id", "boot_id", "pid_namespace", "time_namespace", "pid", "start_time", "instance" }

local function milliseconds(seconds)
  return ("%.0f"):format(seconds * 1000)
end

local function seconds(text)
  return (tonumber(text) or 0) / 1000
end

--- The owner that begins an exchange now.
---@param timeout number of the exchange, in seconds
function owner.new(me, clock, timeout)
  local self = {}
  for _, name in ipairs(NAMED) do self[name] = me[name] end
  self.time = milliseconds(timeout + owner.COMMIT_TIME)
  self.deadline = milliseconds(clock.boot + timeout + owner.COMMIT_TIME)
  return self
end

--- When the exchange must be over and nothing may be sent any more, on the owner's own
--- CLOCK_BOOTTIME.
function owner.not_after(self)
  return seconds(self.deadline) - owner.COMMIT_TIME
end

local function is_same(a, b, name)
  return a[name] ~= nil and a[name] == b[name]
end

-- In a child of fork the instance is that of its parent, while the pid is its own.
local function is_own(self, me)
  return is_same(self, me, "instance") and self.pid == me.pid and self.pid_namespace == me.pid_namespace
end

--- The pid to look at, as text | nil: it would tell nothing here.
function owner.process_of(self, me, is_local)
  if not is_local or is_own(self, me) then return nil end
  for _, name in ipairs { "boot_id", "pid_namespace", "time_namespace" } do
    if not is_same(self, me, name) then return nil end
  end
  return self.pid and self.pid:match "^%d+$"
end

local function is_gone(self, process)
  if process.state ~= "alive" then return process.state == "gone" end
  return process.start_time ~= nil and self.start_time ~= nil and process.start_time ~= self.start_time
end

--- Seconds until the owner's time is over, 0 or less when it is: exact on a shared clock,
--- else by how long the very same rev has been seen.
function owner.time_left(self, me, clock, facts)
  if timing.shares_clock(self, me) then return seconds(self.deadline) - clock.boot end
  return seconds(self.time) - (facts.same_rev_for or 0)
end

--- Is the owner dead? `left`: seconds after which to judge again, if not told otherwise.
---@return "alive"|"orphaned" state, number? left
function owner.judge(self, me, clock, facts)
  local left = math.max(0, owner.time_left(self, me, clock, facts))
  if is_own(self, me) then return facts.in_flight and "alive" or "orphaned", left end
  if facts.process and owner.process_of(self, me, facts.is_local) and is_gone(self, facts.process) then return "orphaned" end
  local is_another_boot = is_same(self, me, "machine_id") and self.boot_id and me.boot_id and self.boot_id ~= me.boot_id
  if is_another_boot or left == 0 then return "orphaned" end
  return "alive", left
end

return owner
