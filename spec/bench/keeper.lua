-- The keeper: `get` of a fresh session against an empty function; a refresh against the
-- same request and two durable replacements of the same bytes without a keeper; `put` of
-- the file store against the system calls that it cannot do without; how evenly sessions
-- of equal expiry are due. `keeper.lua [--quick]`, started by `run`.
-- Does not know: how rounds are measured, which is in measure.lua.

local common = require "spec.bench.common"
local grid = require "grid"
local json = require "grid.json"
local measure = require "spec.bench.measure"
local oauth_server = require "spec.support.oauth_server"
local timing = require "grid.keeper.timing"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 9
local GETS = quick and 1000 or 1000000
local REFRESHES = quick and 3 or 300 -- LuaJIT compiles during the first few hundred
local PUTS = quick and 3 or 200
local SESSIONS = 10000
local LIVES = { 3600, 900, 400, 300 }

local VMS = { "lua5.4", "luajit" }
local build, dir = os.getenv "BUILD", os.getenv "BENCH_DIR"

local function ours(vm, words)
  local command = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' %s spec/bench/keeper_ours.lua %s")
    :format(build, vm, vm, words)
  return function() return tonumber(measure.output(command)) end
end

local function microseconds(count, form)
  return function(seconds) return form:format(seconds / count * 1e6) end
end

local function print_rows(rounds, names, show, target)
  for i, name in ipairs(names) do
    local sum = measure.summary(rounds, i)
    measure.row(name, show(sum.median), show(sum.min), i > 1 and ("%.3f"):format(sum.ratio), i > 1 and target)
  end
end

-- On the disk of $TMPDIR; and in memory, where the disk's own time does not count.
local memory = measure.output("mktemp -d /dev/shm/grid-bench.XXXXXX 2>/dev/null || true"):gsub("\n", "")
local places = { { name = "on disk", path = dir } }
if memory ~= "" then places[2] = { name = "in memory", path = memory } end

local made = 0

local function new_folder(place)
  made = made + 1
  return place.path .. "/store-" .. made
end

-- A way with a log-in of its own in each round, and a spare one.
local function with_session(server, way)
  return function()
    local logins = server:families { count = 2 }
    common.write("session", json.encode {
      exchange = { token_url = server.token_url, client_id = server.client_id, client_secret = server.client_secret },
      tokens = logins[1], spare = logins[2],
    })
    return way()
  end
end

-- ---- A fresh session ------------------------------------------------------------------

local function get(server)
  measure.title("keeper:get of a fresh session", "a call", "median", "best", "ratio", "target")
  for _, vm in ipairs(VMS) do
    local ways = { ours(vm, "call " .. GETS), ours(vm, "get " .. GETS) }
    for i, way in ipairs(ways) do ways[i] = with_session(server, way) end
    print_rows(measure.rounds(ROUNDS, ways), { "an empty function, " .. vm, "keeper:get, " .. vm }, microseconds(GETS, "%.3f µs"),
      vm == "luajit" and "≤ 0.3 µs" or "≤ 1 µs")
    local bytes = ("%d B"):format(with_session(server, ours(vm, "allocated " .. GETS))())
    measure.row(("allocated by %d calls"):format(GETS), bytes, "", "", "0 B")
  end
end

-- ---- A refresh ------------------------------------------------------------------------

-- Each round has a folder and a session of its own.
local function in_new_folder(server, place, vm, words)
  return with_session(server, function() return ours(vm, words .. " " .. new_folder(place))() end)
end

local function refresh(server)
  measure.title("A refresh, OAuth 2.0, HTTP/1.1, one after another", "a refresh", "median", "best", "ratio", "target")
  for _, place in ipairs(places) do
    for _, vm in ipairs(VMS) do
      local ways = {
        in_new_folder(server, place, vm, "bare " .. REFRESHES), in_new_folder(server, place, vm, "refresh " .. REFRESHES),
      }
      local where = (", %s, %s"):format(vm, place.name)
      local names = { "no keeper" .. where, "keeper" .. where }
      print_rows(measure.rounds(ROUNDS, ways), names, microseconds(REFRESHES, "%.0f µs"), "≤ 1.15")
    end
  end
end

-- ---- The file store -------------------------------------------------------------------

-- A blob of the usual size; and the bytes of its file. -> path of the file below a folder
local function write_blob()
  local path
  local blob = ("r"):rep(1500)
  common.write("blob", blob)
  assert(grid.store.file({ directory = dir .. "/sample" }):put_by(function(file, _, _, text)
    path = file:sub(#(dir .. "/sample/") + 1)
    common.write("bytes", text)
    return true
  end, "session", nil, blob, 2 ^ 31))
  return path
end

local function bare_replace(place, path)
  local folder, name = path:match "^(.*)/(.*)$"
  return function()
    local full = new_folder(place) .. "/" .. folder
    assert(os.execute("mkdir -p " .. full))
    return tonumber(measure.output(("%s/bench/bare_replace %s %s %s/bytes %d"):format(build, full, name, dir, PUTS)))
  end
end

local function put()
  measure.title("The file store, one put after another", "puts a second", "median", "best", "ratio", "target")
  local path = write_blob()
  for _, place in ipairs(places) do
    local ways, names = { bare_replace(place, path) }, { "bare system calls, " .. place.name }
    for _, vm in ipairs(VMS) do
      ways[#ways + 1] = function() return ours(vm, ("put %d %s"):format(PUTS, new_folder(place)))() end
      names[#names + 1] = ("store:put, %s, %s"):format(vm, place.name)
    end
    local rounds = measure.rounds(ROUNDS, ways)
    for i, name in ipairs(names) do
      local sum = measure.summary(rounds, i)
      measure.row(name, ("%.0f/s"):format(PUTS / sum.median), ("%.0f/s"):format(PUTS / sum.min),
        i > 1 and ("%.3f"):format(1 / sum.ratio), i > 1 and place.path == dir and "≥ 0.70")
    end
  end
end

-- ---- Sessions of equal expiry ---------------------------------------------------------

local function percent(share) return ("%.2f %%"):format(share * 100) end

local function spread()
  measure.title(("%d sessions of equal expiry"):format(SESSIONS), "most due in one second", VMS[1], VMS[2], "", "target")
  for _, life in ipairs(LIVES) do
    local shares = {}
    for i, vm in ipairs(VMS) do shares[i] = percent(ours(vm, ("spread %d %d"):format(SESSIONS, life))()) end
    local name = ("a life of %d s, window %.0f s"):format(life, (timing.windows(life)))
    measure.row(name, shares[1], shares[2], "", life >= 400 and "≤ 2 %")
  end
end

local server = oauth_server.start()
local ok, problem = pcall(function()
  get(server)
  refresh(server)
  put()
  spread()
end)
server:stop()
if memory ~= "" then os.execute("rm -rf " .. memory) end
if not ok then error(problem, 0) end
