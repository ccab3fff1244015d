-- `grid refresh-all` on 1,000 session files, from the start of its process to the end,
-- against refresh_sessions alone with the same sessions in memory. In turn, both against
-- the sandbox as it is: it checks every request and seals every key. `refresh_all.lua
-- [--quick]`, started by `run`; `refresh_all.lua --memory FILE` is the side without
-- files.
-- Does not know: how rounds are measured, which is in measure.lua.

local core = require "grid.core"
local grid = require "grid"

local CONCURRENCY = 64

-- Seconds that refresh_sessions takes for the payloads in a file, one a line, after the
-- first public key.
local function in_memory(path)
  local requests, public_key = {}, nil
  for line in io.lines(path) do
    if public_key then requests[#requests + 1] = { encryption_public_key = public_key, kms_payload = line } end
    public_key = public_key or line
  end
  local client = grid.new { ca_file = os.getenv "GRID_CA_FILE" }
  local start = core.now()
  local results = client:refresh_sessions(requests, { concurrency = CONCURRENCY })
  print(core.now() - start)
  for _, result in ipairs(results) do assert(result[1], result[2]) end
end

if arg[1] == "--memory" then
  in_memory(arg[2])
  os.exit(true, true)
end

-- What only the measuring side needs: it runs on Lua 5.4.
local measure = require "spec.bench.measure"
local sandbox = require "spec.support.sandbox"
local session_file = require "grid.cli.session_file"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 7
local FILES = quick and 10 or 1000

local VMS = { "lua5.4", "luajit" }
local build, dir = os.getenv "BUILD", os.getenv "BENCH_DIR"

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function write_sessions(server, folder)
  local pair = assert(grid.keypair())
  local lines = { pair.public_key }
  os.execute("mkdir " .. folder)
  for i, made in ipairs(server:sessions { count = FILES, encryption_public_key = pair.public_key }) do
    lines[#lines + 1] = made.kms_payload_json
    local session = session_file.new {
      address = made.address, kms_payload = made.kms_payload_json, private_key = pair:export(),
    }
    write(("%s/%04d.json"):format(folder, i), session:to_text())
  end
  write(folder .. "/payloads", table.concat(lines, "\n") .. "\n")
end

local function command(vm, server, words)
  return ("GRID_BASE_URL=%s GRID_CA_FILE=%s GRID_API_KEY=%s GRID_ENVIRONMENT=sandbox LUA_PATH='lua/?.lua;lua/?/init.lua;;' "
    .. "LUA_CPATH='%s/%s/?.so;;' %s %s"):format(server.https, server.ca, server.api_key, build, vm, vm, words)
end

local function timed(words)
  return function()
    local start = core.now()
    measure.output(words .. " >/dev/null")
    return core.now() - start
  end
end

local function printed(words)
  return function() return tonumber(measure.output(words)) end
end

-- Where the session files lie: on the disk of $TMPDIR; and in memory, where the disk's
-- own time does not count.
local memory = measure.output("mktemp -d /dev/shm/grid-bench.XXXXXX 2>/dev/null || true"):gsub("\n", "")

local function compare(server, vm)
  local folders, ways = { dir .. "/" .. vm }, {}
  if memory ~= "" then folders[2] = memory .. "/" .. vm end
  for i, folder in ipairs(folders) do
    write_sessions(server, folder)
    ways[1] = ways[1] or printed(command(vm, server, "spec/bench/refresh_all.lua --memory " .. folder .. "/payloads"))
    ways[1 + i] = timed(command(vm, server, "lua/bin/grid refresh-all " .. folder))
  end
  local rounds = measure.rounds(ROUNDS, ways)
  for i = 1, #ways do
    local sum = measure.summary(rounds, i)
    local name = ({ "refresh_sessions", "grid refresh-all", "the same, files in memory" })[i]
    measure.row(name .. ", " .. vm, ("%.0f/s"):format(FILES / sum.median), ("%.0f/s"):format(FILES / sum.min),
      i > 1 and ("%.3f"):format(1 / sum.ratio), i == 2 and "≥ 0.70")
  end
end

local server = sandbox.start()
local ok, problem = pcall(function()
  local title = ("grid refresh-all, %d files, %d at a time, HTTP/2"):format(FILES, CONCURRENCY)
  measure.title(title, "calls a second", "median", "best", "ratio", "target")
  for _, vm in ipairs(VMS) do compare(server, vm) end
end)
server:stop()
if memory ~= "" then os.execute("rm -rf " .. memory) end
if not ok then error(problem, 0) end
