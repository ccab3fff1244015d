-- Hosts of event loops: concurrent calls in coroutines, without busy waiting and without
-- leaks.

local core = require "grid.core"
local grid = require "grid"
local loops = require "spec.support.loops"
local sandbox = require "spec.support.sandbox"

local KEY =
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

-- What a user would write. A controller remembers the descriptors that it watches, and
-- this one may be closed after a wait.
local function new_program_with_own_host()
  local cqueues = require "cqueues"
  local controller = cqueues.new()
  local watching = {}
  local function wait(descriptor, seconds)
    watching[descriptor] = (watching[descriptor] or 0) + 1
    cqueues.poll({ pollfd = descriptor, events = "r" }, seconds)
    watching[descriptor] = watching[descriptor] - 1
    if watching[descriptor] == 0 then cqueues.cancel(descriptor) end
  end
  return {
    host = { name = "mine", now = core.now, sleep = cqueues.sleep, wait = wait },
    spawn = function(work) controller:wrap(work) end,
    run = function() assert(controller:loop()) end,
    sleep = cqueues.sleep,
  }
end

local programs = {
  luv = loops.luv, cqueues = loops.cqueues, ["one's own, which waits for a descriptor"] = new_program_with_own_host,
}

for name, new_program in pairs(programs) do
  describe("the host of " .. name, function()
    local server, client, program

    before_each(function()
      server = server or sandbox.share()
      server:reset()
      program = new_program()
      client = grid.new { api_key = server.api_key, base_url = server.https, ca_file = server.ca, host = program.host }
    end)

    after_each(function()
      client:close()
      program = nil
      collectgarbage()
      collectgarbage()
      assert.equal(0, core.live())
    end)

    teardown(function()
      if server then server:stop() end
    end)

    local function refresh(session)
      return client:refresh_session { encryption_public_key = KEY, kms_payload = session.kms_payload_json }
    end

    local OWN = name:find "own" ~= nil

    -- Each runs a function where the coroutine cannot yield, or not to the loop.
    local BOUNDARIES = {
      gsub = function(work) ("x"):gsub("x", function() work() end) end,
      sort = function(work) table.sort({ 2, 1 }, function(a, b) work() return a < b end) end,
      require = function(work)
        package.preload["spec.within"] = function() work() return true end
        package.loaded["spec.within"] = nil
        require "spec.within"
      end,
    }
    if name == "cqueues" then
      BOUNDARIES["an iterator"] = function(work)
        for value in coroutine.wrap(function() work() coroutine.yield "value" end) do assert.equal("value", value) end
      end
    end

    for boundary, within in pairs(OWN and {} or BOUNDARIES) do -- a program's own host decides for itself
      it("blocks within " .. boundary .. ", and is executed once", function()
        local executed, res, err = server:stats().executions, nil, nil
        local session = server:sessions({ count = 1 })[1]
        program.spawn(function()
          within(function()
            if not res then res, err = refresh(session) end
          end)
        end)
        program.run()
        assert(res, tostring(err))
        assert.equal(executed + 1, server:stats().executions)
      end)
    end

    -- A closed thread makes a cqueues controller fail by itself.
    if name == "luv" and coroutine.close then
      it("is not kept alive by a coroutine that was closed while it waited", function()
        server:fault { kind = "delay", answer_delay = 30, count = 2 }
        local threads, began = {}, core.now()
        for i, session in ipairs(server:sessions { count = 2 }) do
          program.spawn(function()
            threads[i] = coroutine.running()
            refresh(session)
          end)
        end
        program.spawn(function()
          program.sleep(0.2)
          for _, thread in ipairs(threads) do assert(coroutine.close(thread)) end
        end)
        program.run()
        assert.is_true(core.now() - began < 20) -- not the 30 seconds that the answers take
      end)

      it("leaves the answer of a coroutine that was closed to on_event", function()
        local session, saved = server:sessions({ count = 1 })[1], nil
        client:close()
        client = grid.new {
          api_key = server.api_key, base_url = server.https, ca_file = server.ca, host = program.host,
          on_event = function(event)
            if event.name == "response" then saved = event end
          end,
        }
        server:fault { kind = "delay", answer_delay = 0.5 }
        local executed, thread = server:stats().executions, nil
        program.spawn(function()
          thread = coroutine.running()
          refresh(session)
        end)
        program.spawn(function()
          while server:stats().executions == executed do program.sleep(0.02) end
          coroutine.close(thread)
          local start = core.now() -- the loop is busy until the answer is there
          while core.now() - start < 2 do end
        end)
        program.run()
        assert.is_true(saved.abandoned)
        assert.is_string(saved.result.kms_payload_json)
        for field, value in pairs(saved) do
          assert.is_true(type(value) ~= "table", field)
          assert.is_nil(tostring(value):find("Privy", 1, true))
        end
      end)
    end

    it("runs calls side by side, and other coroutines meanwhile", function()
      local count, ticks, refreshed = 20, 0, 0
      server:fault { kind = "delay", hold = true, count = count }
      for _, session in ipairs(server:sessions { count = count }) do
        program.spawn(function()
          local res, err = refresh(session)
          assert(res, tostring(err))
          refreshed = refreshed + 1
        end)
      end
      program.spawn(function()
        while refreshed < count do
          program.sleep(0.02)
          ticks = ticks + 1
          if server:stats().held == count then server:release() end -- none waits for another one
        end
      end)
      program.run()
      assert.equal(count, refreshed)
      assert.is_true(ticks >= 1, "other coroutines did not run")
    end)

    it("waits on the engine's descriptor instead of looking again and again", function()
      local session = server:sessions {}[1]
      server:fault { kind = "delay", delay = 1, count = 1 }
      local used
      program.spawn(function()
        local before = os.clock()
        assert(refresh(session))
        used = os.clock() - before
      end)
      program.run()
      assert.is_true(used < 0.25, "a call that waits for a second used " .. used .. " s of the processor")
    end)

    it("tries again after a delay", function()
      local session = server:sessions {}[1]
      server:fault { kind = "status", status = 503, count = 1 }
      local outcome
      program.spawn(function() outcome = { refresh(session) } end)
      program.run()
      assert.is_nil(outcome[2])
      assert.equal(2, outcome[1].attempts)
    end)

    if not OWN then
      it("goes on when its driver has stopped by an error", function()
        local reactor = require "grid.http.reactor"
        local step, stderr = reactor.step, io.stderr
        local session, outcome, written = server:sessions({ count = 1 })[1], nil, ""
        reactor.step = function()
          reactor.step = step
          error "stumbled"
        end
        rawset(io, "stderr", { write = function(_, ...) written = written .. table.concat { ... } end }) -- luv: a traceback
        program.spawn(function() outcome = { refresh(session) } end)
        local _, problem = pcall(program.run) -- cqueues: the loop's error
        rawset(io, "stderr", stderr)
        program.run()
        assert.equal(step, reactor.step)
        assert.is_truthy((written .. tostring(problem)):find("the driver stopped: .*stumbled"))
        assert(outcome[1], tostring(outcome[2]))
      end)
    end

    it("carries refresh_sessions", function()
      local results
      program.spawn(function()
        local requests = {}
        for i, session in ipairs(server:sessions { count = 10 }) do
          requests[i] = { encryption_public_key = KEY, kms_payload = session.kms_payload_json }
        end
        results = client:refresh_sessions(requests, { concurrency = 4 })
      end)
      program.run()
      assert.equal(10, #results)
      for _, outcome in ipairs(results) do assert.is_nil(outcome[2]) end
    end)

    it("resumes a call at once whose answer another call has taken in", function()
      local sessions = server:sessions { count = 2 }
      local blocking = grid.new { api_key = server.api_key, base_url = server.https, ca_file = server.ca }
      local order = {}
      program.spawn(function()
        assert(refresh(sessions[1])) -- from now on there is a connection
        server:fault { kind = "delay", delay = 0.1, count = 1 }
        server:fault { kind = "delay", delay = 0.4, count = 1 }
        program.spawn(function()
          assert(refresh(sessions[1]))
          order[#order + 1] = "answered"
        end)
        program.sleep(0.05)
        assert(blocking:refresh_session { encryption_public_key = KEY, kms_payload = sessions[2].kms_payload_json })
        program.sleep(1)
        order[#order + 1] = "a second later"
      end)
      program.run()
      blocking:close()
      assert.same({ "answered", "a second later" }, order)
    end)

    it("resumes a call at once whose client is closed", function()
      local session = server:sessions {}[1]
      server:fault { kind = "delay", delay = 9, count = 1 }
      local order = {}
      program.spawn(function()
        local _, err = refresh(session)
        order[#order + 1] = err and err.kind or "answered"
      end)
      program.spawn(function()
        program.sleep(0.5) -- libcurl has no more timers that are due soon
        client:close()
        program.sleep(1)
        order[#order + 1] = "a second later"
      end)
      program.run()
      assert.same({ "cancelled", "a second later" }, order)
    end)

    it("blocks where there is no coroutine to yield", function()
      assert(refresh(server:sessions {}[1]))
    end)
  end)
end
