-- The owner of an intent: the name of a process, and whether that process has died.
-- Pure: no wall clock is compared.
-- Owns: the fields of an owner, and the time for a commit.
-- Does not know: records, intents, stores.

local timing = require "grid.keeper.timing"

local owner = {}

-- `me` are the texts of core.machine about the running process, read for each intent, and
-- `instance`, a random name of the keeper. An owner is `me` with `time`, the longest
-- duration of the exchange and its commit, and `deadline`, the end of that on its
-- CLOCK_BOOTTIME: both in whole milliseconds, as text.
-- Facts are what the caller has observed of an owner:
--   in_flight     this keeper has a flight for the record
--   is_local      the store serves one host
--   process       { state, start_time } of core.process, for the pid of `process_of`
--   same_rev_for  seconds on the caller's CLOCK_BOOTTIME since it first saw this rev

--- Seconds for the commit, after the exchange has timed out.
owner.COMMIT_TIME = 2

local function milliseconds(seconds)
  return ("%d"):format(math.floor(seconds * 1000 + 0.5))
end

local function seconds(text)
  return (tonumber(text) or 0) / 1000
end

--- The owner that begins an exchange now.
---@param timeout number of the exchange, in seconds
function owner.new(me, clock, timeout)
  return {
    machine_id = me.machine_id, boot_id = me.boot_id, pid_namespace = me.pid_namespace, time_namespace = me.time_namespace,
    pid = me.pid, start_time = me.start_time, instance = me.instance,
    time = milliseconds(timeout + owner.COMMIT_TIME), deadline = milliseconds(clock.boot + timeout + owner.COMMIT_TIME),
  }
end

--- When the exchange must have ended, on the owner's own CLOCK_BOOTTIME. No request is
--- sent after that.
function owner.not_after(self)
  return seconds(self.deadline) - owner.COMMIT_TIME
end

local function is_same(a, b, name)
  return a[name] ~= nil and a[name] == b[name]
end

-- A child of fork has the instance of its parent, and a pid of its own.
local function is_own(self, me)
  return is_same(self, me, "instance") and self.pid == me.pid and self.pid_namespace == me.pid_namespace
end

local MOST_DIGITS = 10 -- of a pid, so that it is an integer on each VM

--- The pid to give core.process, as text | nil: here that pid would name another process.
function owner.process_of(self, me, is_local)
  if not is_local or is_own(self, me) then return nil end
  for _, name in ipairs { "boot_id", "pid_namespace", "time_namespace" } do
    if not is_same(self, me, name) then return nil end
  end
  return self.pid and #self.pid <= MOST_DIGITS and self.pid:match "^%d+$" or nil
end

local function is_gone(self, process)
  if process.state ~= "alive" then return process.state == "gone" end
  return process.start_time ~= nil and self.start_time ~= nil and process.start_time ~= self.start_time
end

-- The machine id alone does not name a host: copies of a virtual machine, and containers
-- of one image on several hosts, often share it.
local function is_of_earlier_boot(self, me, facts)
  return facts.is_local and is_same(self, me, "machine_id") and self.boot_id and me.boot_id and self.boot_id ~= me.boot_id
end

--- Seconds until the owner's deadline, 0 or less when it has passed: exact on a shared
--- clock, else measured from when the caller first saw the rev, or from the boot that
--- ended the owner.
function owner.time_left(self, me, clock, facts)
  if timing.shares_clock(self, me) then return seconds(self.deadline) - clock.boot end
  local elapsed = facts.same_rev_for or 0
  if is_of_earlier_boot(self, me, facts) then elapsed = math.max(elapsed, clock.boot) end
  return seconds(self.time) - elapsed
end

--- Has the owner died? `left`: seconds after which to judge again, unless a fact changes.
---@return "alive"|"orphaned" state, number? left
function owner.judge(self, me, clock, facts)
  local left = math.max(0, owner.time_left(self, me, clock, facts))
  if is_own(self, me) then return facts.in_flight and "alive" or "orphaned", left end
  if facts.process and owner.process_of(self, me, facts.is_local) and is_gone(self, facts.process) then return "orphaned" end
  if is_of_earlier_boot(self, me, facts) or left == 0 then return "orphaned" end
  return "alive", left
end

return owner
