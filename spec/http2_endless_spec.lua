-- HTTP/2 connections on which frames go on for longer than a step or a call: each step
-- and each call ends all the same, and what was answered in time counts.
-- Does not know: streams that are refused or broken off, see http2_spec.lua.

local core = require "grid.core"
local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local http2 = require "spec.support.http2"
local rig = require "spec.support.rig"

describe("an HTTP/2 stream", function()
  if rig.no_http2 then return pending(rig.no_http2) end
  local peer = http2.peer()

  describe("between frames that answer nothing", function()
    -- Steps until the transfer has finished. -> how many
    local function count_steps(engine, transfer)
      local steps = 0
      repeat
        engine:wait(1)
        engine:step()
        steps = steps + 1
      until transfer:is_finished()
      return steps
    end

    local NOTHING = {
      PRIORITY = '["frame",2,0,0,"0000000010"]',
      ["PING with ACK"] = '["frame",6,1,"zero","0000000000000000"]',
      ["a type that is not known"] = '["frame",99,0,"zero",""]',
      ["WINDOW_UPDATE of the connection"] = '["frame",8,0,"zero","00000001"]',
      ["WINDOW_UPDATE of the stream"] = '["frame",8,0,0,"00000001"]',
      ["GOAWAY that refuses nothing"] = '["goaway","max",0]',
      ["RST_STREAM of an old stream"] = '["frame",3,0,-2,"00000008"]',
      ["empty DATA"] = '["headers",200,{}],["cut"],["frame",0,0,0,""]',
    }
    -- nghttp2 1.70 ends a connection with too many of these frames, 1.64 does not.
    local function is_ended_by_nghttp2(text)
      return (text or ""):find("ENHANCE_YOUR_CALM", 1, true) ~= nil
    end

    -- Many more than can be read within one step's time, on any machine.
    for name, frames in pairs(NOTHING) do
      it("a step ends before they do: " .. name, function()
        local MANY, FEWEST_STEPS = 1500000, 10
        local engine = core.engine()
        local first = peer:start(engine, "{}")
        count_steps(engine, first)
        first:close()
        local status = name == "empty DATA" and "" or '["headers",200,{}],'
        local transfer = peer:start(engine, ('{"do":[%s,["repeat",%d],%s["data","{}",true]]}'):format(frames, MANY, status))
        local steps = count_steps(engine, transfer)
        local answer = transfer:answer()
        if not is_ended_by_nghttp2(answer.message) then
          assert.equal(200, answer.status)
          assert.is_true(steps >= FEWEST_STEPS, steps .. " steps")
        end
        transfer:close()
        engine:close()
      end)
    end

    it("a call is given up, and the next one takes another connection", function()
      for _, frame in ipairs { { "frame", 6, 0, "zero", ("00"):rep(8) }, { "frame", 8, 0, "zero", "00000001" } } do
        local case = peer:case()
        local client = peer:client()
        assert(client:request("POST", "/x", { case = case, times = 0, ["do"] = grid.array {} }))
        local script = { case = case, times = 2, ["do"] = { frame, { "forever", 10 } } }
        local _, err = client:request("POST", "/x", script, { timeout = 0.5 })
        rig.assert_error(err, { kind = "timeout", sent = "unknown" })
        script.times = 0
        assert(client:request("POST", "/x", script))
        local executions = peer:executions(case)
        assert.equal(executions[1].connection, executions[2].connection)
        assert.not_equal(executions[2].connection, executions[3].connection)
        client:close()
      end
    end)

    it("a call ends soon after its time, however many of them are left to read", function()
      local MANY, SECONDS, MOST_STEPS = 1e8, 0.5, 20
      local engine = core.engine()
      local first = peer:start(engine, "{}")
      count_steps(engine, first)
      first:close()
      local deadline, late = core.now() + SECONDS, 0
      local script = ('{"do":[%s,["repeat",%d]]}'):format(NOTHING["GOAWAY that refuses nothing"], MANY)
      local transfer = peer:start(engine, script, SECONDS)
      repeat
        engine:wait(1)
        if core.now() > deadline then late = late + 1 end
        engine:step()
      until transfer:is_finished()
      assert.is_truthy(transfer:answer().message)
      assert.is_true(late <= MOST_STEPS, late .. " steps")
      transfer:close()
      engine:close()
    end)

    -- nghttp2 refuses more than 1,000 SETTINGS at once, which fit into one TLS record.
    it("a connection that is refused for them is not used again", function()
      local client = peer:client()
      for _ = 1, 3 do
        assert(client:request("POST", "/x", "{}"))
        local _, err = client:request("POST", "/x", { ["do"] = { { "frame", 4, 0, "zero", "" }, { "repeat", 1800 } } })
        rig.assert_error(err, { sent = "unknown" })
      end
      assert(client:request("POST", "/x", "{}"))
    end)

    -- libcurl before 7.87 reads one of the server's records, and waits for a socket on
    -- which no further input arrives.
    it("a call is answered, although they are in one record of a proxy over TLS with its answer", function()
      local proxy, few = fault_server.start(), { { "frame", 6, 1, "zero", ("00"):rep(8) }, { "cut" } }
      local client = grid.new {
        api_key = "key", base_url = peer.server.https, ca_file = peer.server.ca, retries = 0, timeout = 3, proxy = proxy.proxy,
        insecure_skip_tls_verify = true, -- the certificate of the proxy is another one
      }
      for count = 1, 9 do
        local steps = {}
        for i = 1, 2 * count do steps[i] = few[i % 2 == 1 and 1 or 2] end
        steps[#steps + 1] = { "headers", 200, {} }
        steps[#steps + 1] = { "data", "{}", true }
        assert(client:request("POST", "/x", { ["do"] = steps }))
      end
      client:close()
      proxy:stop()
    end)

    it("a sound server answers, and so does theirs on another connection", function()
      local sound = fault_server.start()
      local client = peer:client()
      local endless = { { "frame", 99, 0, "zero", "" }, { "repeat", 1e9 } }
      local _, err = client:request("POST", "/x", { ["do"] = endless }, { timeout = 0.5 })
      rig.assert_error(err, { kind = is_ended_by_nghttp2(err.message) and "protocol" or "timeout", sent = "unknown" })
      local other = grid.new { api_key = "key", base_url = sound.https, ca_file = sound.ca, retries = 0, timeout = 10 }
      assert(other:request("POST", "/ok", "{}"))
      assert(client:request("POST", "/x", "{}"))
      other:close()
      sound:stop()
    end)
  end)

  -- The scripts of frame_server.mjs, each met by the first of five calls.
  local NONE, SOME = { "settings", 3, 0 }, { "settings", 3, 100 } -- MAX_CONCURRENT_STREAMS
  local ANSWER, LAST = { "headers", 200, {} }, { "data", "{}", true }
  local PING = { "frame", 6, 0, "zero", ("00"):rep(8) }
  local WITHOUT_STREAMS = {
    ["from its first answer on"] = { NONE, ANSWER, LAST },
    ["behind its first answer"] = { ANSWER, LAST, NONE },
    ["after its first answer"] = { ANSWER, LAST, { "cut" }, NONE },
    ["a little after its first answer"] = { ANSWER, LAST, { "cut" }, { "wait", 30 }, NONE },
    ["until later"] = { ANSWER, LAST, NONE, { "cut" }, { "wait", 1000 }, SOME },
    ["and sends PINGs"] = { ANSWER, LAST, NONE, { "cut" }, PING, { "forever", 10 } },
    ["and sends one PING behind its first answer"] = { ANSWER, LAST, NONE, PING },
    ["and sends one PING after its first answer"] = { ANSWER, LAST, { "cut" }, NONE, PING },
    ["and says so twice"] = { ANSWER, LAST, { "cut" }, NONE, NONE },
  }

  -- Calls until `count` are answered, each in less than its time.
  local function assert_answered(client, count, script)
    for _ = 1, count do
      local began = core.now()
      assert(client:request("POST", "/x", script, { timeout = 3 }))
      assert.is_true(core.now() - began < 2, core.now() - began .. " seconds")
      script.times = 0
      os.execute "sleep 0.05"
    end
  end

  for name, frames in pairs(WITHOUT_STREAMS) do
    it("that the connection allows no longer is opened on another one, " .. name, function()
      local case = peer:case()
      assert_answered(peer:client(), 4, { case = case, times = 1, ["do"] = frames })
      local executions = peer:executions(case)
      assert.equal(4, #executions)
      assert.not_equal(executions[1].connection, executions[2].connection)
      assert.equal(executions[2].connection, executions[4].connection)
    end)
  end

  it("that no connection allows twice is opened on a new one each time", function()
    local case = peer:case()
    assert_answered(peer:client { base_url = peer.server.none }, 4, { case = case, times = 0, ["do"] = grid.array {} })
    assert.equal(4, #peer:executions(case))
  end)

  -- Eight calls at once, each other one of which begins while those before are served.
  local function run_batch(count, steps)
    local engine, case, live, started, answered = core.engine(), peer:case(), {}, 0, 0
    repeat
      while started < count and started < answered + 8 do
        started = started + 1
        live[peer:start(engine, ('{"case":"%s","do":[%s]}'):format(case, steps:format(5 + started % 7)), 3)] = true
      end
      engine:wait(1)
      engine:step()
      for one in pairs(live) do
        if one:is_finished() then
          assert.is_nil(one:answer().message)
          one:close()
          live[one], answered = nil, answered + 1
        end
      end
    until answered == count
    engine:close()
    return #peer:executions(case)
  end

  local BATCHES = {
    ["any longer"] = '["settings",3,0],["cut"],["wait",%d],["headers",200,{}],["data","{}",true]',
    ["for some time"] = '["settings",3,0],["cut"],["wait",%d],["settings",3,100],["headers",200,{}],["data","{}",true]',
  }
  for name, steps in pairs(BATCHES) do
    it("that the connection of a batch does not allow " .. name .. " is opened on another one, and once", function()
      assert.equal(64, run_batch(64, steps))
    end)
  end

  it("that was answered in time counts, although one step does not read all that has come", function()
    local COUNT, SECONDS = 90, 3
    local engine, transfers = core.engine(), {}
    local case = peer:case()
    local frames = ('["gather",%d],["headers",200,{}],["cut"],["data","%s"],["repeat",300],["data","",true]'):format(
      COUNT, ("x"):rep(40))
    for i = 1, COUNT do transfers[i] = peer:start(engine, ('{"case":"%s","do":[%s]}'):format(case, frames), SECONDS) end
    repeat
      for _ = 1, 20 do
        engine:wait(0.005)
        engine:step()
      end
    until #peer:executions(case) == COUNT
    os.execute("sleep " .. SECONDS + 0.2)
    repeat
      engine:wait(1)
      engine:step()
    until engine:in_flight() == 0
    for _, one in ipairs(transfers) do assert.is_nil(one:answer().message) end
    for _, one in ipairs(transfers) do one:close() end
    engine:close()
  end)
end)
