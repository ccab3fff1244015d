-- The soak: many processes on both VMs refresh many sessions at random, while the server
-- makes faults and processes kill themselves; then all sessions are brought to an end,
-- and compared with what the server knows.
-- Owns: the server, the folder and the processes while it runs.
-- Does not know: what is expected of a run, which is in claims.lua.

local child = require "spec.support.child"
local grid = require "grid"
local oauth_server = require "spec.support.oauth_server"
local process = require "spec.support.process"
local process_keeper = require "spec.keeper.process_keeper"
local records = require "grid.keeper.record"
local socket = require "socket"

local soak = {}

local SCRIPT = child.root .. "/spec/keeper/soak/worker.lua"
local LONGEST_PAUSE = 60 -- seconds without a rotation
local LONGEST_END = 180  -- seconds until all sessions are decided

-- Three of a 500 in a row mean to the keeper that the server has stored the error, and
-- `refresh` then takes a new key, which is a reuse where the request was executed: so the
-- fault is rare.
local RARE = 0.001

--- Each with its chance.
soak.FAULTS = {
  { kind = "drop" }, { kind = "drop", execute = true }, { kind = "truncate", execute = true }, { kind = "html", execute = true },
  { kind = "status", status = 500, execute = true, probability = RARE }, { kind = "status", status = 503 },
  { kind = "twice" }, { kind = "double" },
  { kind = "delay", answer_delay = 0.05 }, { kind = "empty", execute = true }, { kind = "expires_in", json = "-1", execute = true },
}

local function start_server(options)
  local server = oauth_server.start { mode = options.mode }
  server:seed(options.seed)
  for _, fault in ipairs(options.faults or {}) do
    local copy = { path = "/token", count = 0, probability = options.probability }
    for name, value in pairs(fault) do copy[name] = value end
    server:fault(copy)
  end
  return server
end

local function given_of(run)
  local options = run.options
  return {
    url = run.server.token_url, reuse = options.mode, folder = run.folder.path, timeout = options.timeout or 10,
    ids = options.ids, die = options.die, unsealed = options.unsealed,
  }
end

local function new_keeper(run, on_event)
  local given = given_of(run)
  return process_keeper.new(given, { store = run.store, exchange = process_keeper.exchange(given), on_event = on_event })
end

local function add_sessions(run)
  local keeper = new_keeper(run)
  run.families = {}
  for i, tokens in ipairs(run.server:families { count = run.options.ids }) do
    run.families[i], tokens.family = tokens.family, nil
    assert(keeper:add("id-" .. i, tokens))
  end
  keeper:close()
end

local function start_worker(run, number)
  run.started = run.started + 1
  local words = process_keeper.words(given_of(run), { seed = run.options.seed * 100000 + run.started })
  local vms = process.vms()
  run.workers[number] = process.start(SCRIPT, words, { folder = run.folder.path, vm = vms[number % #vms + 1] })
end

local KILLED = 128 + 9

-- A process that has ended by itself has found a fault of the keeper.
local function replace_dead(run)
  for number, worker in ipairs(run.workers) do
    local code = worker:code()
    if code then
      if code ~= KILLED then error(("a process ended with %d: %s"):format(code, worker:errors()), 0) end
      run.deaths = run.deaths + 1
      worker:close()
      start_worker(run, number)
    end
  end
end

local function await_rotations(run)
  local last, deadline = 0, nil
  repeat
    local rotations = run.server:counts().rotations
    if rotations > last or not deadline then last, deadline = rotations, socket.gettime() + LONGEST_PAUSE end
    if socket.gettime() > deadline then error(("no session is refreshed after %d rotations"):format(rotations), 0) end
    socket.sleep(0.05)
    replace_dead(run)
  until rotations >= run.options.refreshes
end

local function stop_workers(run)
  assert(io.open(run.folder.path .. "/stop", "w")):close()
  for _, worker in ipairs(run.workers) do
    while not worker:code() do socket.sleep(0.02) end
    run.words = run.words .. worker:output() .. worker:errors()
    worker:close()
  end
end

-- Refreshes each session until it has succeeded, or the session is dead.
local function decide(run)
  local log = assert(io.open(run.folder.path .. "/log", "a"))
  local keeper = new_keeper(run, function(event) log:write(("event %s %s\n"):format(event.name, event.id)) end)
  local open, deadline = {}, socket.gettime() + LONGEST_END
  for i = 1, run.options.ids do open[i] = "id-" .. i end
  while #open > 0 do
    local rest = {}
    for _, id in ipairs(open) do
      local session, err = keeper:refresh(id, { timeout = 0 })
      if not session and err.code ~= "reauthentication_required" then rest[#rest + 1] = id end
    end
    if #rest > 0 and socket.gettime() > deadline then error(#rest .. " sessions are not decided, such as " .. rest[1], 0) end
    if #rest > 0 then socket.sleep(0.2) end
    open = rest
  end
  keeper:close()
  log:close()
end

local function logged(run)
  local told, died = {}, {}
  for line in run.folder:read("log"):gmatch "[^\n]+" do
    local event, id = line:match "^event (%l+) (%S+)"
    if event == "dead" then told[id] = true end
    local killed, step = line:match "^died (%S+) (%S+)"
    if killed and (step == "answer" or step == "save") then died[killed] = true end
    -- A process killed between the put of the rejection and its event tells no event.
    if step == "refusal_done" then told[killed] = true end
  end
  return told, died
end

-- How many sessions are lost, and of these how many untold, or with no fault between the
-- server's commit and the save.
local function judge(run)
  local all, told, died = run.server:all_families(), logged(run)
  local result = { lost = 0, untold = 0, unexplained = 0, generations = 0 }
  for i = 1, run.options.ids do
    local id = "id-" .. i
    local record = assert(records.unpack(run.store:get(id), id, not run.options.unsealed and process_keeper.SEAL_KEYS or nil))
    result.generations = result.generations + record.gen - 1
    local family = all[run.families[i]]
    if not family.living or family.refresh_token ~= record.tokens.refresh_token or record.state ~= "live" then
      result.lost = result.lost + 1
      if not told[id] then result.untold = result.untold + 1 end
      if family.spoiled == 0 and not died[id] then result.unexplained = result.unexplained + 1 end
    end
  end
  return result
end

-- As text, in hexadecimal, and in base64 at each of the three alignments.
local CANARIES = { "canary", "63616e617279", "Y2FuYXJ5", "NhbmFye", "jYW5hcn" }

--- The files below a folder in which a secret is found.
function soak.leaks(folder)
  local words = {}
  for i, text in ipairs(CANARIES) do words[i] = "-e " .. text end
  return child.capture("grep -rlaF " .. table.concat(words, " ") .. " " .. child.quote(folder.path) .. " || true")
end

--- Options: mode, ids, workers, refreshes, faults, probability (of each of them), die,
--- seed, timeout, unsealed.
---@return table  the counts of the server; lost, untold, unexplained, generations, deaths, leaks, seconds
function soak.run(options)
  local run = { options = options, workers = {}, started = 0, deaths = 0, words = "", folder = child.folder "large" }
  run.server = start_server(options)
  run.store = grid.store.file { directory = run.folder.path .. "/sessions" }
  local ok, result = pcall(function()
    local began = socket.gettime()
    add_sessions(run)
    for number = 1, options.workers do start_worker(run, number) end
    await_rotations(run)
    stop_workers(run)
    local seconds, faults = socket.gettime() - began, run.server:counts().faults
    run.server:control("DELETE", "/faults")
    decide(run)
    local found = judge(run)
    for name, value in pairs(run.server:counts()) do found[name] = value end
    run.folder:write("words", run.words)
    found.faults, found.deaths, found.seconds, found.leaks = faults, run.deaths, seconds, soak.leaks(run.folder)
    return found
  end)
  for _, worker in ipairs(run.workers) do worker:close() end
  run.server:stop()
  run.folder:remove()
  if not ok then error(result, 0) end
  return result
end

return soak
