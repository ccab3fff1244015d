-- When the sandbox ends by itself: it watches the processes named at its start and quits
-- when one of them is gone, so that a killed test leaves no server behind. It also tells
-- the starting script, through a file, that requests can come.
-- Does not know: sessions, faults.

local ffi = require "ffi"

ffi.cdef [[
int kill(int pid, int sig);
int getpid(void);
]]

local lifetime = {}

local INTERVAL = 1 -- seconds
local SIGTERM = 15
local ESRCH = 3

-- A killed test stays a zombie while its parent waits for the output of the sandbox.
local function is_zombie(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text:find "^%d+ %(.*%) Z" ~= nil
end

local function alive(pid)
  return (ffi.C.kill(pid, 0) == 0 or ffi.errno() ~= ESRCH) and not is_zombie(pid)
end

---@param pids string process ids, separated by blanks
function lifetime.watch(pids)
  local function look()
    for pid in pids:gmatch "%d+" do
      if not alive(tonumber(pid)) then ffi.C.kill(ffi.C.getpid(), SIGTERM) end
    end
  end
  assert(ngx.timer.every(INTERVAL, look))
end

function lifetime.announce(path)
  assert(io.open(path, "w")):close()
end

return lifetime
