-- A host of the user, { name, now, sleep } and perhaps `wait`: which functions are
-- called, and which faults of a host do no harm. The hosts of the library are in
-- hosts_spec.lua.

local core = require "grid.core"
local rig = require "spec.support.rig"

describe("a host", function()
  local server = rig.sandbox()

  local function has_descriptor()
    local engine = core.engine()
    local fd = engine:fd()
    engine:close()
    return fd ~= nil
  end

  local function nap(seconds)
    os.execute("sleep " .. seconds)
  end

  it("of three functions carries calls, and is asked for short sleeps only", function()
    local naps, longest = 0, 0
    local function sleep(seconds)
      naps, longest = naps + 1, math.max(longest, seconds)
      nap(seconds)
    end
    server:fault { kind = "delay", delay = 0.3 }
    local client = rig.client(server, { host = { name = "mine", now = core.now, sleep = sleep } })
    assert(client:refresh_session(rig.request(server)))
    client:close()
    assert.is_true(naps > 1 and naps < 300)
    assert.is_true(longest > 0 and longest <= 0.05)
  end)

  for _, protocol in ipairs { "http", "https" } do
    it("may be away for longer than the timeout: an answer that came meanwhile is not lost: " .. protocol, function()
      local requests, away = {}, false
      for i = 1, 40 do requests[i] = rig.request(server) end
      server:fault { kind = "delay", hold = true, count = 0 }
      local start = core.now()
      local function sleep(seconds)
        if not away and core.now() - start > 1 and server:stats().held == #requests then
          away = true -- when the time to connect is over, and no timer of libcurl is left
          server:release()
          seconds = 1.2
        end
        nap(seconds)
        if seconds == 1.2 then -- two rounds of the sandbox's loop later all answers have left it
          server:stats()
          server:stats()
        end
      end
      local client = rig.client(server, {
        base_url = server[protocol], timeout = 2, connect_timeout = 0.8, host = { name = "busy", now = core.now, sleep = sleep },
      })
      local results = client:refresh_sessions(requests)
      client:close()
      assert.is_true(away)
      for _, result in ipairs(results) do assert.is_truthy(result[1], tostring(result[2])) end
    end)
  end

  it("lets other coroutines run while a call waits", function()
    server:fault { kind = "delay", delay = 0.2, count = 0 }
    local host = { name = "yielding", now = core.now, sleep = function(seconds) coroutine.yield(seconds) end }
    local under_way, most = 0, 0
    local client = rig.client(server, { host = host, on_event = function(event)
      under_way = under_way + (event.name == "request" and 1 or -1)
      most = math.max(most, under_way)
    end })
    local threads, done = {}, 0
    for i = 1, 5 do
      local request = rig.request(server)
      threads[i] = coroutine.create(function()
        assert(client:refresh_session(request))
        done = done + 1
      end)
    end
    while done < 5 do
      for _, thread in ipairs(threads) do
        if coroutine.status(thread) == "suspended" then assert(coroutine.resume(thread)) end
      end
      nap(0.005)
    end
    client:close()
    assert.equal(5, most)
  end)

  it("closes a client while another coroutine waits, which is told so", function()
    server:fault { kind = "delay", delay = 5 }
    local host = { name = "yielding", now = core.now, sleep = function(seconds) coroutine.yield(seconds) end }
    local client = rig.client(server, { host = host })
    local request = rig.request(server)
    local res, err
    local thread = coroutine.create(function() res, err = client:refresh_session(request) end)
    for _ = 1, 5 do
      assert(coroutine.resume(thread))
      nap(0.01)
    end
    client:close()
    assert(coroutine.resume(thread))
    assert.equal("dead", coroutine.status(thread))
    assert.is_nil(res)
    rig.assert_error(err, { kind = "cancelled", code = "client_closed", sent = "unknown", outcome = "unknown" })
    thread = nil -- luacheck: ignore 311
  end)

  it("that can wait for a descriptor is given one, and the longest time to wait", function()
    if not has_descriptor() then return pending "this build has no descriptor to wait for" end
    local waits = 0
    local engine = core.engine()
    local client = rig.client(server, { host = {
      name = "waiting", now = core.now, sleep = nap,
      wait = function(descriptor, seconds)
        assert.is_true(descriptor > 2 and descriptor % 1 == 0)
        assert.is_true(seconds >= 0 and seconds <= 60)
        waits = waits + 1
        engine:wait(math.min(seconds, 0.05))
      end,
    } })
    assert(client:refresh_session(rig.request(server)))
    client:close()
    engine:close()
    assert.is_true(waits > 0)
  end)

  it("that throws takes its call along, and nothing else", function()
    local broken = true
    local client = rig.client(server, { host = { name = "broken", now = core.now, sleep = function(seconds)
      if broken then error "no sleep" end
      nap(seconds)
    end } })
    local ok, problem = pcall(client.refresh_session, client, rig.request(server))
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("no sleep", 1, true))
    broken = false
    assert(client:refresh_session(rig.request(server)))
    client:close()
  end)

  it("whose functions return what is of no use is refused at the caller's line, and nothing is sent", function()
    local function refused(name, value, message)
      local host = { name = "mine", now = core.now, sleep = nap, [name] = function() return value end }
      local client = rig.client(server, { host = host })
      rig.assert_misuse(function() client:request("GET", "/x") end, "host 'mine': " .. name .. "() must return " .. message)
      client:close()
    end
    refused("now", nil, "a number, got nil")
    refused("now", "5", "a number, got string")
    for _, value in ipairs { 0 / 0, math.huge, -math.huge } do refused("now", value, "a finite number, got ") end
    refused("obstacle", true, "a text or nil, got boolean")
    refused("obstacle", {}, "a text or nil, got table")
    assert.equal(0, server:stats().requests)
  end)

  it("that lacks a function, or has one too many, is refused at the caller's line", function()
    local function refused(host, ...)
      rig.assert_misuse(function() require("grid").new { host = host } end, "grid.new: host: ", ...)
      rig.assert_misuse(function() require("grid").refresh_session({}, { host = host }) end, "grid.refresh_session: host: ", ...)
    end
    refused({ now = core.now, sleep = nap }, "'name' is missing")
    refused({ name = "x", sleep = nap }, "'now' is missing")
    refused({ name = "x", now = core.now }, "'sleep' is missing")
    refused({ name = "x", now = 7, sleep = nap }, "'now' must be a function, got number")
    refused({ name = "x", now = core.now, sleep = nap, nap = nap }, "unknown field 'nap'")
    refused({ name = "x", now = core.now, slep = nap }, "did you mean 'sleep'?")
    for name, value in pairs { can_yield = core.is_yieldable, poller = print, loop = print, grace = 1 } do
      refused({ name = "x", now = core.now, sleep = nap, [name] = value }, ("'%s' has no effect"):format(name), "'condition'")
    end
  end)
end)
