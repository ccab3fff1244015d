-- Counters of a process, from /proc.
-- Does not know: the process.

local files = require "spec.support.files"

local proc = {}

local CLOCK_TICKS = 100 -- in a second: USER_HZ, the same on every common architecture

-- The sum of two fields of /proc/PID/stat, of clock ticks, in seconds. Fields are
-- numbered as in proc(5); the second one, the name in brackets, may have blanks.
local function seconds_of_fields(pid, first)
  local after_name = files.load("/proc/" .. pid .. "/stat"):match "^.*%)%s+(.*)$"
  local fields = {}
  for field in after_name:gmatch "%S+" do fields[#fields + 1] = field end
  return (fields[first - 2] + fields[first - 1]) / CLOCK_TICKS
end

--- Seconds on a processor, in user mode and in the kernel.
function proc.cpu_seconds(pid) return seconds_of_fields(pid, 14) end

--- The same of the children it has waited for.
function proc.cpu_seconds_of_children(pid) return seconds_of_fields(pid, 16) end

local function status(pid, name)
  return tonumber(files.load("/proc/" .. pid .. "/status"):match("\n" .. name .. ":%s*(%d+)"))
end

--- The number of its sleeps so far.
function proc.wake_ups(pid) return status(pid, "voluntary_ctxt_switches") end

function proc.threads(pid) return status(pid, "Threads") end

--- Bytes of memory; "self" is the caller.
function proc.resident(pid) return status(pid, "VmRSS") * 1024 end

return proc
