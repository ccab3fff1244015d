-- Sessions in one nginx worker: a keeper, over a shared dictionary and over files,
-- against what users write by hand, by_hand.lua. Requests for a fresh session, and
-- refreshes of many sessions, eight in flight. The ways take turns, round after round, in
-- the same worker. `compare.lua [--quick]`, started by `run`.
-- Does not know: how a way keeps sessions.

local json = require "grid.json"
local measure = require "spec.bench.measure"
local proc = require "spec.support.proc"
local scenes = require "spec.nginx.keeper_scene"
local wrk = require "spec.bench.nginx.wrk"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 7
local SECONDS = quick and 1 or 3
local SESSIONS = 400
local ANSWER_DELAY = 0.05
local READERS, REFRESHERS = 20, 8

local WAYS = { "by_hand", "keeper", "file" }

-- Each refresh is of the next session.
local LOCATIONS = ([[
    location = /fill { client_body_buffer_size 8m; content_by_lua_block { require("spec.bench.nginx.peers").add() } }
    location = /fresh {
        access_by_lua_block {
            local session = require("spec.bench.nginx.peers").get[ngx.var.arg_way]("s1")
            if not session then return ngx.exit(503) end
        }
        content_by_lua_block { ngx.print "hello" }
    }
    location = /refreshed {
        content_by_lua_block {
            count = (count or 0) % SESSIONS + 1
            local session = require("spec.bench.nginx.peers").refresh[ngx.var.arg_way]("s" .. count)
            if not session then return ngx.exit(503) end
            ngx.print "hello"
        }
    }
]]):gsub("SESSIONS", SESSIONS)

local HTTP = [[
    keepalive_requests 100000000;
    lua_shared_dict sessions 20m;
    lua_shared_dict by_hand 20m;
    lua_shared_dict locks 1m;
]]

local function fill(scene, way)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(json.encode(scene.oauth:families { count = SESSIONS }))
  file:close()
  local _, status = scene.nginx:get("/fill?way=" .. way, "--data-binary @" .. path)
  os.remove(path)
  assert(status == 200, "the sessions were not added")
end

local FORM = "%-46s%14s%14s%14s%10s%10s"

local function row(label, form, all, name)
  local words, ratios = {}, {}
  for i, way in ipairs(WAYS) do words[i] = form:format(measure.median(all[way][name])) end
  for i, way in ipairs { "keeper", "file" } do
    local list = {}
    for r, value in ipairs(all[way][name]) do list[r] = value / all.by_hand[name][r] end
    ratios[i] = ("%.3f"):format(measure.median(list))
  end
  print(FORM:format(label, words[1], words[2], words[3], ratios[1], ratios[2]))
end

local function compare(scene, path, connections, title, rate_label)
  local all = {}
  local pid = scene.nginx:workers()[1]
  for _, way in ipairs(WAYS) do all[way] = { rate = {}, median = {}, p99 = {}, cpu = {} } end
  for i = 0, ROUNDS do -- round 0 warms up
    for j = 1, #WAYS do
      local way = WAYS[(i + j) % #WAYS + 1]
      local before = proc.cpu_seconds(pid)
      local figures = wrk.begin(scene.nginx, path .. "?way=" .. way, connections, i == 0 and 1 or SECONDS)()
      figures.cpu = (proc.cpu_seconds(pid) - before) / figures.requests * 1e6
      for name, list in pairs(all[way]) do list[i] = figures[name] end
    end
  end
  for _, way in ipairs(WAYS) do
    for _, list in pairs(all[way]) do list[0] = nil end
  end
  print("\n" .. FORM:format(title, "by hand", "shdict", "file", "ratio", "ratio"))
  row(rate_label, "%.0f", all, "rate")
  row("median", "%.3f ms", all, "median")
  row("p99", "%.3f ms", all, "p99")
  row("processor time of the worker, a request", "%.0f µs", all, "cpu")
end

local scene = scenes.start { locations = LOCATIONS, http = HTTP, log_level = "warn" }
local ok, problem = pcall(function()
  for _, way in ipairs(WAYS) do fill(scene, way) end
  compare(scene, "/fresh", READERS, ("A fresh session, %d in flight"):format(READERS), "requests a second")
  local title = ("Refreshes, %d in flight, answers "):format(REFRESHERS)
  scene.oauth:fault { kind = "delay", answer_delay = ANSWER_DELAY, count = 0 }
  compare(scene, "/refreshed", REFRESHERS, title .. "after 50 ms", "refreshes a second")
  scene.oauth:control("DELETE", "/faults")
  compare(scene, "/refreshed", REFRESHERS, title .. "at once", "refreshes a second")
end)
local complaint = scene:stop()
if not ok then error(problem .. (complaint or ""), 0) end
if complaint then io.write(complaint) end
