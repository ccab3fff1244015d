-- Calls from plain Lua against the least that libcurl can do, and against the curl
-- command. Both sides have the same peer, a sandbox: at its work (it reads the request,
-- checks it, seals a key); the same with random bytes in place of a sealed key; and with
-- the same answer to each request at once, which costs next to nothing and so shows most
-- of what the library costs. Of two equal rounds of calls the second is measured: that of
-- a program that goes on.
-- `plain.lua [--quick]`, started by `run`.
-- Does not know: how rounds are measured, which is in measure.lua.

local common = require "spec.bench.common"
local core = require "grid.core"
local json = require "grid.json"
local measure = require "spec.bench.measure"
local refresh_body = require "grid.api.refresh_body"
local sandbox = require "spec.support.sandbox"
local version = require "grid.version"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 9
local CALLS = quick and 20 or 1500
local STARTS = quick and 2 or 41
local IN_FLIGHT = quick and 20 or 1000
local CONCURRENCY = 64

local VMS = { "lua5.4", "luajit" }
local PATH = "/api/grid/v1/auth/refresh-session"
local build, dir = os.getenv "BUILD", os.getenv "BENCH_DIR"

-- A P-256 point whose private key is not known.
local KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErhCAcvW6s3s8pMgnlPY1KHk3+e"
  .. "wBLWYa3Ma01P7FUQsS+HYjE+gMxqyU9JLK3dNv0TWrmKnPzi40lnpNbP6gFw=="

-- The requests as the library sends them, for those who send them without the library:
-- each call refreshes another session.
local function write_requests(server)
  local payloads, bodies = {}, {}
  for i, session in ipairs(server:sessions { encryption_public_key = KEY, count = CALLS }) do
    payloads[i] = json.encode(json.decode(session.kms_payload_json))
    bodies[i] = assert(refresh_body.new(KEY, payloads[i]))
  end
  common.write("key", KEY)
  common.write("payloads", table.concat(payloads, "\n"))
  common.write("bodies", table.concat(bodies, "\n"))
  common.write("payload", payloads[1])
  common.write("body", bodies[1])
  common.write("headers", table.concat({
    "Authorization: Bearer " .. server.api_key,
    "Accept: application/json",
    "User-Agent: lua-grid/" .. version,
    "x-grid-environment: sandbox",
    "Content-Type: application/json",
    "x-idempotency-key: " .. core.uuid(),
  }, "\n") .. "\n")
end

local function environment(vm, url, server)
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' BENCH_URL=%s BENCH_CA=%s BENCH_API_KEY=%s")
    :format(build, vm, url, server.ca, server.api_key)
end

local function ours(vm, url, server, words)
  local command = ("%s %s spec/bench/ours.lua %s"):format(environment(vm, url, server), vm, words)
  return function() return tonumber(measure.output(command)) end
end

local function bare(program, url, server, words)
  local command = ("%s/bench/%s %s%s %s %s %s"):format(build, program, url, PATH, dir, server.ca, words)
  return function() return tonumber(measure.output(command)) end
end

local function microseconds(seconds) return ("%.1f µs"):format(seconds / CALLS * 1e6) end

local function print_times(rounds, title, column, names, show, target)
  measure.title(title, column, "median", "best", "ratio", "target")
  for i, name in ipairs(names) do
    local sum = measure.summary(rounds, i)
    local ratio = i > 1 and ("%.3f"):format(target:find "≥" and 1 / sum.ratio or sum.ratio)
    measure.row(name, show(sum.median), show(sum.min), ratio, i > 1 and target)
  end
end

local function sequential(server, peer)
  local ways = { bare("bare_easy", server.http, server, CALLS) }
  for _, vm in ipairs(VMS) do ways[#ways + 1] = ours(vm, server.http, server, "sequential " .. CALLS) end
  print_times(measure.rounds(ROUNDS, ways), "One refresh after another, keep-alive, HTTP/1.1, " .. peer, "a call",
    { "bare libcurl, easy interface", "lua-grid, lua5.4", "lua-grid, luajit" }, microseconds, "≤ 1.20")
end

local function per_second(seconds) return ("%.0f/s"):format(CALLS / seconds) end

local function concurrent(server, peer)
  local words = CALLS .. " " .. CONCURRENCY
  local ways = { bare("bare_multi", server.https, server, words) }
  for _, vm in ipairs(VMS) do ways[#ways + 1] = ours(vm, server.https, server, "concurrent " .. words) end
  print_times(measure.rounds(ROUNDS, ways), CONCURRENCY .. " in flight over one TLS connection, HTTP/2, " .. peer,
    "calls a second", { "bare libcurl, multi interface", "lua-grid, lua5.4", "lua-grid, luajit" }, per_second, "≥ 0.80")
end

local function milliseconds(seconds) return ("%.2f ms"):format(seconds * 1000) end

-- What the system trusts, and the sandbox's authority, in a folder like the system's.
local function write_authorities(server)
  measure.output(([[cp -RL /etc/ssl/certs %s/certs && cd %s/certs && cat %s >>ca-certificates.crt &&
    cp %s "$(openssl x509 -in %s -noout -hash).0"]]):format(dir, dir, server.ca, server.ca, server.ca))
end

-- Before a command: it finds that folder in place of the system's, and both sides use
-- their defaults.
local function with_authorities()
  return ("unshare -m sh -c 'unset BENCH_CA; mount --bind %s/certs /etc/ssl/certs && exec \"$@\"' -"):format(dir)
end

-- The same POST by the curl command; the answer goes to standard output on all sides.
local function once(server, title, url, prefix, curl_options)
  local curl = ("curl -sS %s -H @%s/headers --data-binary @%s/body %s%s"):format(curl_options, dir, dir, url, PATH)
  local commands = { curl }
  for _, vm in ipairs(VMS) do commands[#commands + 1] = vm .. " spec/bench/once.lua" end
  -- Each VM reads its own of the two variables.
  local text = measure.output(("LUA_CPATH_5_4='%s/lua5.4/?.so;;' %s %s %s/bench/stopwatch %d %s"):format(
    build, environment("luajit", url, server), prefix, build, STARTS, table.concat(commands, " -- ")))
  local rounds = {}
  for line in text:gmatch "[^\n]+" do
    local round = {}
    for seconds in line:gmatch "%S+" do round[#round + 1] = tonumber(seconds) end
    rounds[#rounds + 1] = round
  end
  print_times(rounds, "A process that does one refresh, " .. title, "a process",
    { "the curl command", "lua-grid, lua5.4", "lua-grid, luajit" }, milliseconds, "≤ 1.20")
end

-- Only root has mounts of its own.
local function once_by_default(server)
  if not os.execute "unshare -m true 2>/dev/null" then return end
  write_authorities(server)
  once(server, "TLS, the system's authorities", server.https, with_authorities(), "")
end

local function memory(server)
  server:set { fixed_delay = quick and 0.2 or 2.5 }
  measure.title(IN_FLIGHT .. " in flight, resident memory", "a call beyond the first", "median", "best", "", "target")
  for _, protocol in ipairs { "https", "http" } do
    for _, vm in ipairs(VMS) do
      local way = ours(vm, server[protocol], server, "memory " .. IN_FLIGHT)
      local sum = measure.summary(measure.rounds(quick and 1 or 2, { way }), 1)
      measure.row(("lua-grid, %s, %s"):format(vm, protocol == "https" and "HTTP/2 over TLS" or "HTTP/1.1"),
        ("%.1f KiB"):format(sum.median / 1024), ("%.1f KiB"):format(sum.min / 1024), "", "≤ 48 KiB")
    end
  end
  server:set { fixed_delay = 0 }
end

local function with_sandbox(settings, work)
  local server = sandbox.start(settings)
  local ok, problem = pcall(work, server)
  server:stop()
  if not ok then error(problem, 0) end
end

-- Tier 1: the same session may be refreshed again and again.
with_sandbox({ tier = "1", payload_check = "shape" }, function(server)
  write_requests(server)
  sequential(server, "the peer at its work")
  concurrent(server, "the peer at its work")
end)

with_sandbox({ tier = "1", payload_check = "shape", seal = "false" }, function(server)
  write_requests(server)
  sequential(server, "the peer seals no key")
  concurrent(server, "the peer seals no key")
end)

with_sandbox({ fixed = "true" }, function(server)
  sequential(server, "the peer answers at once")
  concurrent(server, "the peer answers at once")
  once_by_default(server)
  once(server, "TLS, one authority", server.https, "", "--cacert " .. server.ca)
  once(server, "no TLS", server.http, "", "")
  memory(server)
end)
