-- Runs busted inside an nginx worker, for spec/nginx/run_inside.lua: the same specs, but
-- every call yields to nginx's loop.

local ffi = require "ffi"

ffi.cdef [[
  typedef void (*grid_spec_handler)(int);
  grid_spec_handler signal(int, grid_spec_handler);
]]

local SIGCHLD = 17

local inside = {}

-- busted unloads what a spec has required, but what is known to the FFI cannot be
-- declared again.
local function keep_loaded()
  require "resty.core"
  require "ngx.semaphore"
end

--- How many timers of ngx.timer.every there are, which end with the worker.
inside.lasting_timers = 0

local function count_lasting_timers()
  local every = ngx.timer.every
  function ngx.timer.every(...) -- luacheck: ignore 122
    local ok, problem = every(...)
    if ok then inside.lasting_timers = inside.lasting_timers + 1 end
    return ok, problem
  end
end

--- A busted helper writes the name of each test that begins to this file of the worker.
function inside.current()
  return ngx.config.prefix() .. "/current"
end

--- busted's command line -> exit code. Output goes to the worker's standard output.
function inside.run(arguments)
  keep_loaded()
  count_lasting_timers()
  ffi.C.signal(SIGCHLD, nil) -- specs wait for their own children, and nginx would be interrupted by them
  arg = arguments -- luacheck: ignore 121
  local code = 0
  local exit = os.exit
  os.exit = function(given) error { exit_code = given } end -- luacheck: ignore 122
  local ok, problem = pcall(require "busted.runner", { standalone = false })
  os.exit = exit -- luacheck: ignore 122
  require("spec.support.sandbox").stop_shared()
  if not ok then
    code = type(problem) == "table" and problem.exit_code or 1
    if type(problem) ~= "table" then io.write(tostring(problem), "\n") end
  end
  io.stdout:flush()
  return code
end

return inside
