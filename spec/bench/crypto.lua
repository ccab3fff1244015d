-- Opening an authorization key and signing with it, against the bare OpenSSL operations
-- that this takes; and canonical JSON. `crypto.lua [--quick]`, started by `run`;
-- `crypto.lua --ours MODE COUNT` is the library's side, on the VM that runs it.
-- Does not know: how rounds are measured, which is in measure.lua.

local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"

local dir, build = os.getenv "BENCH_DIR", os.getenv "BUILD"

local function read(name)
  local file = assert(io.open(dir .. "/" .. name))
  local text = file:read "*a"
  file:close()
  return text
end

local function seconds(count, work)
  work()
  local start = core.now()
  for _ = 1, count do work() end
  print(core.now() - start)
end

local ours = {}

function ours.open_and_sign(count)
  local keys = assert(grid.keypair(read "private"))
  local sealed = json.decode(read "session").session.Privy.session.encrypted_authorization_key
  local payload = read "payload"
  seconds(count, function()
    local auth = assert(keys:open(sealed))
    assert(auth:sign(payload))
    auth:close()
  end)
end

function ours.canonicalize(count)
  local text = read "json"
  seconds(count, function() assert(grid.canonicalize(text)) end)
end

if arg[1] == "--ours" then
  ours[arg[2]](tonumber(arg[3]))
  os.exit(true, true)
end

-- What only the measuring side needs: it runs on Lua 5.4.
local measure = require "spec.bench.measure"
local sandbox = require "spec.support.sandbox"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 7
local COUNT = quick and 20 or 2000

local function write(name, text)
  local file = assert(io.open(dir .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

-- As the service prepares one: mostly text, some numbers, members in no order.
local function payload_json()
  local parts = {}
  for i = 1, 8 do
    parts[i] = ('"field_%d": {"value": "%s", "amount": %d, "active": true}'):format(9 - i, ("a1B2c3D4"):rep(8), i * 1000003)
  end
  return '{"method": "signTransaction", ' .. table.concat(parts, ", ") .. ', "chain": null}'
end

local function base64(text)
  write("plain", text)
  return (measure.output("openssl base64 -A -in " .. dir .. "/plain"))
end

local function prepare()
  local pair = assert(grid.keypair())
  local server = sandbox.start()
  write("session", server:sessions({ encryption_public_key = pair.public_key })[1].kms_payload_json)
  server:stop()
  write("private", pair:export())
  local text = payload_json()
  write("json", text)
  write("payload", base64(text))
  return #text
end

local function library(vm, mode)
  local command = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' %s spec/bench/crypto.lua --ours %s %d"):format(
    build, vm, vm, mode, mode == "canonicalize" and COUNT * 10 or COUNT)
  return function() return tonumber(measure.output(command)) end
end

local size = prepare()

local function bare() return tonumber(measure.output(("%s/bench/bare_crypto %d %d"):format(build, COUNT, size))) end

local rounds = measure.rounds(ROUNDS, { bare, library("lua5.4", "open_and_sign"), library("luajit", "open_and_sign") })
measure.title(("open an authorization key, sign %d bytes"):format(size), "time for one", "median", "best", "ratio", "target")
for i, name in ipairs { "bare OpenSSL: derive, open, sign", "lua-grid, lua5.4", "lua-grid, luajit" } do
  local sum = measure.summary(rounds, i)
  measure.row(name, ("%.1f µs"):format(sum.median / COUNT * 1e6), ("%.1f µs"):format(sum.min / COUNT * 1e6),
    i > 1 and ("%.3f"):format(sum.ratio), i > 1 and "≤ 1.25")
end

measure.title(("canonical JSON of %d bytes"):format(size), "", "median", "best", "", "target")
for _, vm in ipairs { "lua5.4", "luajit" } do
  local sum = measure.summary(measure.rounds(ROUNDS, { library(vm, "canonicalize") }), 1)
  local function rate(time) return ("%.0f MB/s"):format(size * COUNT * 10 / time / 1e6) end
  measure.row("grid.canonicalize, " .. vm, rate(sum.median), rate(sum.min), nil, "≥ 100")
end
