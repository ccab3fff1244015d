-- What a program would use instead, for the same work: one refresh after another over
-- HTTP/1.1 without TLS, on one connection, to a sandbox that gives the same answer to
-- each request at once. Every client builds a body for each call around the stored
-- payload, a text, and decodes each answer.
-- Times are of the second of two equal rounds; instructions are counted by callgrind, as
-- the difference of a longer and a shorter run.
-- `peers.lua [--quick]`, started by `run`.
-- Does not know: how a client works, which is in peers/.

local common = require "spec.bench.common"
local grid = require "grid"
local measure = require "spec.bench.measure"
local sandbox = require "spec.support.sandbox"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 7
local build = os.getenv "BUILD"

-- `calls` of a round; `counted`: calls of the shorter and the longer run under callgrind,
-- on LuaJIT after the compiler has settled. Debian has no later Lua of some.
local PEERS = {
  { title = "lua-grid, Lua 5.4", vm = "lua5.4", name = "grid", calls = 1500, counted = { 50, 250 } },
  { title = "lua-grid, LuaJIT", vm = "luajit", name = "grid", calls = 1500, counted = { 600, 1600 } },
  { title = "the curl command, Lua 5.4", vm = "lua5.4", name = "curl_command", calls = 60, counted = { 1, 3 } },
  { title = "Lua-cURL, LuaJIT", vm = "luajit", name = "lua_curl", calls = 1500, counted = { 600, 1600 }, package = "lua-curl" },
  { title = "lua-http, LuaJIT", vm = "luajit", name = "lua_http", calls = 1500, counted = { 600, 1600 }, package = "lua-http" },
  { title = "luasocket, Lua 5.4", vm = "lua5.4", name = "luasocket", calls = 1500, counted = { 50, 250 } },
  { title = "luasocket, LuaJIT", vm = "luajit", name = "luasocket", calls = 1500, counted = { 600, 1600 } },
  { title = "undici, node", calls = 1500, package = "nodejs and npm, for undici" },
}

local environment

local function command_of(peer, words, under)
  if not peer.vm then return ("%s node build/peers/undici.mjs %s"):format(environment, words) end
  return ("%s LUA_PATH='./?.lua;lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' %s %s spec/bench/peers/drive.lua %s %s")
    :format(environment, build, peer.vm, under or "", peer.vm, peer.name, words)
end

local function is_here(command)
  return (os.execute(command .. " >/dev/null 2>&1"))
end

-- Of all processes of a run.
local function counted(peer, calls)
  local under = "valgrind --tool=callgrind --trace-children=yes --callgrind-out-file=/dev/null"
  local sum = 0
  for number in measure.output(command_of(peer, calls .. " count", under) .. " 2>&1"):gmatch "Collected : (%d+)" do
    sum = sum + tonumber(number)
  end
  return sum
end

local function instructions(peer)
  local runs = peer.counted
  if not runs then return end
  if quick then runs = { 1, 2 } end
  return (counted(peer, runs[2]) - counted(peer, runs[1])) / (runs[2] - runs[1])
end

local function microseconds(seconds) return ("%.0f µs"):format(seconds * 1e6) end

local function thousands(number) return number and ("%.0f k"):format(number / 1000) or "-" end

-- Wall time and processor time of a call, each as a list of rounds.
local function measured(peers)
  local wall, processor = {}, {}
  for r = 1, ROUNDS do
    wall[r], processor[r] = {}, {}
    for i, peer in ipairs(peers) do
      local calls = quick and 5 or peer.calls
      local seconds, used = measure.output(command_of(peer, calls)):match "(%S+)%s+(%S+)"
      wall[r][i], processor[r][i] = tonumber(seconds) / calls, tonumber(used) / calls
    end
  end
  return wall, processor
end

local function print_row(title, cells)
  local line = ("%-27s"):format(title)
  for _, cell in ipairs(cells) do line = line .. (" "):rep(12 - utf8.len(cell)) .. cell end
  print(line)
end

local function print_peers(peers, has_valgrind)
  local wall, processor = measured(peers)
  local base
  for i, peer in ipairs(peers) do
    local time, used = measure.summary(wall, i), measure.summary(processor, i)
    local count = has_valgrind and instructions(peer)
    base = base or count
    print_row(peer.title, { microseconds(time.median), ("%.2f"):format(time.ratio), microseconds(used.median),
      ("%.2f"):format(used.ratio), thousands(count), count and ("%.2f"):format(count / base) or "-" })
  end
end

local function compare(server)
  environment = ("BENCH_URL=%s BENCH_API_KEY=%s"):format(server.http, server.api_key)
  local key = grid.keypair().public_key
  common.write("key", key)
  common.write("payload", server:sessions({ encryption_public_key = key, count = 1 })[1].kms_payload_json)
  local here, missing = {}, {}
  print(("\nOne refresh after another, HTTP/1.1 without TLS, the peer answers at once; medians of %d rounds"):format(ROUNDS))
  print_row("", { "a call", "ratio", "processor", "ratio", "instr.", "ratio" })
  for _, peer in ipairs(PEERS) do
    local list = is_here(command_of(peer, 0)) and here or missing
    list[#list + 1] = peer
  end
  local has_valgrind = is_here "valgrind --version"
  print_peers(here, has_valgrind)
  for _, peer in ipairs(missing) do
    print_row(peer.title, { "not here" })
    print("  needs " .. (peer.package or "what `spec/support/setup test` installs"))
  end
  if not has_valgrind then print "Instructions are not counted: valgrind is not here." end
end

local server = sandbox.start { fixed = "true" }
local ok, problem = pcall(compare, server)
server:stop()
if not ok then error(problem, 0) end
