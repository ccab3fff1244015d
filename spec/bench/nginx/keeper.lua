-- The keeper in one nginx worker: what `get` of a fresh session costs a request, and what
-- refreshes that are written to the disk cost a location that has nothing to do with
-- them. Both sides take turns, round after round, in the same worker.
-- `keeper.lua [--quick]`, started by `run`.

local measure = require "spec.bench.measure"
local proc = require "spec.support.proc"
local scenes = require "spec.nginx.keeper_scene"
local wrk = require "spec.bench.nginx.wrk"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 7
local SECONDS = quick and 1 or 4
local REFRESHES = 200 -- a second
local SESSIONS = 400

-- /busy refreshes one session after the other, so many a second, and returns at once.
local LOCATIONS = ([[
    location = /without {
        access_by_lua_block {
            local keeper, id = require("spec.nginx.keeper_app").keeper, ngx.var.arg_id
            if not keeper or not id then return ngx.exit(503) end
        }
        content_by_lua_block { ngx.print "hello" }
    }
    location = /with {
        access_by_lua_block {
            local session = require("spec.nginx.keeper_app").keeper:get(ngx.var.arg_id)
            if not session then return ngx.exit(503) end
        }
        content_by_lua_block { ngx.print "hello" }
    }
    location = /unrelated { content_by_lua_block { ngx.print "hello" } }
    location = /busy {
        content_by_lua_block {
            require("grid.host.nginx").spawn(function(seconds)
                local keeper, began, count = require("spec.nginx.keeper_app").keeper, ngx.now(), 0
                while ngx.now() < began + seconds do
                    count = count + 1
                    require("grid.host.nginx").spawn(keeper.refresh, keeper, "s" .. (count % SESSIONS + 1))
                    ngx.sleep(math.max(began + count / RATE - ngx.now(), 0.001))
                end
            end, tonumber(ngx.var.arg_seconds))
        }
    }
]]):gsub("RATE", REFRESHES):gsub("SESSIONS", SESSIONS)

local FORM = "%-46s%14s%14s%10s  %s"

local function row(label, form, without, with, target)
  local ratios = {}
  for i = 1, #with do ratios[i] = with[i] / without[i] end
  print(FORM:format(label, form:format(measure.median(without)), form:format(measure.median(with)),
    ("%.3f"):format(measure.median(ratios)), target))
end

local function cost_of_get(scene, id)
  local without, with = {}, {}
  local paths = { { "/without?id=" .. id, without }, { "/with?id=" .. id, with } }
  for _, path in ipairs(paths) do wrk.begin(scene.nginx, path[1], 20, 1)() end
  for i = 1, ROUNDS do
    for j = 1, 2 do
      local path = paths[(i + j) % 2 + 1]
      table.insert(path[2], wrk.begin(scene.nginx, path[1], 20, SECONDS)().rate)
    end
  end
  print("\n" .. FORM:format("keeper:get of a fresh session in access_by_lua", "without", "with", "", "target"))
  row("requests a second", "%.0f", without, with, "≥ 0.97")
end

local function cost_of_refreshes(scene)
  local idle, busy, refreshes, cpu, pid = {}, {}, {}, {}, scene.nginx:workers()[1]
  for _ = 1, ROUNDS do
    idle[#idle + 1] = wrk.visitors(scene.nginx, SECONDS)().p99
    local before, used = scene.oauth:counts().rotations, proc.cpu_seconds(pid)
    scene.nginx:get("/busy?seconds=" .. SECONDS)
    busy[#busy + 1] = wrk.visitors(scene.nginx, SECONDS)().p99
    refreshes[#refreshes + 1] = (scene.oauth:counts().rotations - before) / SECONDS
    assert(scene:idle_counters(), "the refreshes have not ended")
    cpu[#cpu + 1] = (proc.cpu_seconds(pid) - used) / (scene.oauth:counts().rotations - before) * 1e3
  end
  local label = ("Refreshes, %d a second, each synced to disk twice"):format(REFRESHES)
  print("\n" .. FORM:format(label, "idle", "meanwhile", "", "target"))
  row("p99 of an unrelated location", "%.2f ms", idle, busy, "≤ 1.25")
  print(FORM:format("refreshes a second", "", ("%.0f"):format(measure.median(refreshes)), "", ""))
  print(FORM:format("CPU of the worker, a refresh and its visitors", "", ("%.2f ms"):format(measure.median(cpu)), "", ""))
  print(FORM:format("writes in the worker itself", "", scene:ask("/counters").blocking, "", "0"))
end

local scene = scenes.start { locations = LOCATIONS, http = "keepalive_requests 100000000;", log_level = "warn" }
local ok, problem = pcall(function()
  for _ = 1, SESSIONS do scene:add(3600) end
  cost_of_get(scene, "s1")
  cost_of_refreshes(scene)
end)
local complaint = scene:stop()
if not ok then error(problem, 0) end
if complaint then io.write(complaint) end
