-- HTTP/2 streams that a server refuses, answers or breaks off, and what an error says of
-- their execution.
-- Does not know: frames that go on for longer than a call, see http2_endless_spec.lua.

local core = require "grid.core"
local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local http2 = require "spec.support.http2"
local json = require "grid.json"
local rig = require "spec.support.rig"

local REFUSED_STREAM, CANCEL, INTERNAL_ERROR, NO_ERROR, HTTP_1_1_REQUIRED = 7, 8, 2, 0, 13 -- RFC 9113 section 7

local libcurl = rig.libcurl

describe("an HTTP/2 stream", function()
  if rig.no_http2 then return pending(rig.no_http2) end
  local peer = http2.peer()
  local client -- of the last `post`

  -- A POST that meets these frames, on a connection that has carried another one before
  -- if `reused`. -> its result, its error, and what reached the server
  local function post(frames, reused, options, times)
    local case = peer:case()
    client = peer:client(options)
    if reused then assert(client:request("GET", "/ok")) end
    local res, err = client:request("POST", "/x", { case = case, times = times or grid.null, ["do"] = frames })
    return res, err, peer:executions(case)
  end

  local function assert_refused(err, executions)
    rig.assert_error(err, { kind = "network", code = "stream_refused", sent = "no", retryable = true, attempts = 1 })
    assert.equal("none", err.outcome)
    assert.equal(1, #executions)
  end

  local function assert_unknown(err, executions)
    rig.assert_error(err, { kind = "network", sent = "unknown", retryable = false, attempts = 1 })
    assert.equal(1, #executions)
  end

  local CUT, LITTLE, END = { "cut" }, { "wait", 30 }, { "end" }
  local HEADERS = { "headers", 200, { ["content-type"] = "application/json" } }
  local BODY = '{"data":{"x":"' .. ("y"):rep(100) .. '"}}'
  local DATA, LAST_DATA = { "data", BODY }, { "data", BODY, true }
  local BELOW, THIS, ABOVE = -2, 0, 2

  -- What of RST_STREAM libcurl lets through, see src/http/stream.h.
  local function tells_of_rst(reused)
    return not reused or libcurl < 800 or libcurl >= 807
  end

  for _, reused in ipairs { false, true } do
    describe(reused and "on a reused connection" or "on a new connection", function()
      local GOAWAYS = {
        ["GOAWAY"] = { { "goaway", BELOW, NO_ERROR } },
        ["GOAWAY and the end of the connection"] = { { "goaway", BELOW, NO_ERROR }, END },
        ["GOAWAY with an error"] = { { "goaway", BELOW, INTERNAL_ERROR }, END },
        ["a second GOAWAY"] = { { "goaway", "max", NO_ERROR }, LITTLE, { "goaway", BELOW, NO_ERROR }, END },
        ["the second of two GOAWAYs in one record"] = { { "goaway", "max", NO_ERROR }, { "goaway", BELOW, NO_ERROR }, END },
      }
      for name, frames in pairs(GOAWAYS) do
        it("that is refused by " .. name .. " was certainly not executed", function()
          if libcurl < 788 then return pending "libcurl before 7.88 does not tell the last stream of a GOAWAY" end
          local _, err, executions = post(frames, reused)
          assert_refused(err, executions)
        end)
      end

      it("that is refused by RST_STREAM was certainly not executed", function()
        if not tells_of_rst(reused) then return pending "this libcurl does not tell REFUSED_STREAM from a lost connection" end
        local _, err, executions = post({ { "rst", REFUSED_STREAM } }, reused)
        assert_refused(err, executions)
      end)

      -- libcurl connects anew for it, and that server speaks HTTP/2 alone.
      local RESET = { "rst", HTTP_1_1_REQUIRED }
      local RESETS = {
        ["at once"] = { RESET },
        ["after an interim answer"] = { { "headers", 103, {} }, CUT, LITTLE, RESET },
        ["after the headers of an answer"] = { HEADERS, CUT, LITTLE, RESET },
      }
      for name, frames in pairs(RESETS) do
        it("that is reset with HTTP_1_1_REQUIRED is lost, and no fault of TLS, " .. name, function()
          local _, err, executions = post(frames, reused)
          rig.assert_error(err, { kind = "network", code = "connection_lost", retryable = false, attempts = 1 })
          assert.equal("unknown", err.outcome)
          assert.equal(1, #executions)
        end)
      end

      it("that is refused is tried again, and answered", function()
        if not tells_of_rst(reused) then return pending "this libcurl does not tell REFUSED_STREAM from a lost connection" end
        local res, err, executions = post({ { "rst", REFUSED_STREAM } }, reused, { retries = 2, host = rig.virtual_host() }, 2)
        assert(res, err)
        assert.equal(3, res.attempts)
        assert.equal(3, #executions)
      end)

      local UNCERTAIN = {
        ["RST_STREAM with CANCEL"] = { { "rst", CANCEL } },
        ["RST_STREAM with CANCEL, and the end of the connection"] = { { "rst", CANCEL }, END },
        ["RST_STREAM with NO_ERROR"] = { { "rst", NO_ERROR } },
        ["RST_STREAM with NO_ERROR, and the end of the connection"] = { { "rst", NO_ERROR }, END },
        ["RST_STREAM with INTERNAL_ERROR"] = { { "rst", INTERNAL_ERROR } },
        ["GOAWAY that names it, and the end of the connection"] = { { "goaway", THIS, NO_ERROR }, END },
        ["GOAWAY that names it, with an error"] = { { "goaway", THIS, INTERNAL_ERROR }, END },
        ["GOAWAY that names a later one, and the end of the connection"] = { { "goaway", ABOVE, NO_ERROR }, END },
        ["the end of the connection"] = { END },
        ["a reset of the connection"] = { { "reset" } },
        ["REFUSED_STREAM after an interim answer"] = { { "headers", 103, {} }, CUT, LITTLE, { "rst", REFUSED_STREAM } },
        ["REFUSED_STREAM behind an interim answer"] = { { "headers", 103, {} }, { "rst", REFUSED_STREAM } },
      }
      for name, frames in pairs(UNCERTAIN) do
        it("that ends with " .. name .. " may have been executed", function()
          local _, err, executions = post(frames, reused)
          assert_unknown(err, executions)
        end)
      end

      local ANSWERED = {
        ["GOAWAY that names it"] = { { "goaway", THIS, NO_ERROR }, HEADERS, LAST_DATA },
        ["GOAWAY that names it, a little later"] = { { "goaway", THIS, NO_ERROR }, CUT, LITTLE, HEADERS, LAST_DATA },
        ["GOAWAY that names a later one"] = { { "goaway", ABOVE, NO_ERROR }, HEADERS, LAST_DATA, END },
        ["two GOAWAYs that do not refuse it"] = { { "goaway", "max", NO_ERROR }, CUT, LITTLE, { "goaway", THIS, NO_ERROR },
          HEADERS, LAST_DATA, END },
      }
      for name, frames in pairs(ANSWERED) do
        it("is answered after " .. name, function()
          local res, err, executions = post(frames, reused)
          assert(res, err)
          assert.equal(1, #executions)
        end)
      end

      it("that was answered before it was refused may have been executed", function()
        for _, frames in ipairs { { HEADERS, { "rst", REFUSED_STREAM } }, { HEADERS, DATA, { "rst", REFUSED_STREAM } },
          { HEADERS, CUT, LITTLE, { "rst", REFUSED_STREAM } }, { HEADERS, DATA, { "goaway", BELOW, NO_ERROR } } } do
          local res, err, executions = post(frames, reused)
          assert.is_true(res ~= nil or err.sent == "yes", tostring(err)) -- libcurl 7.81 does not see that GOAWAY
          assert.equal(1, #executions)
          client:close()
        end
      end)
    end)
  end

  describe("whose answer is broken off", function()
    -- libcurl 7.88 and 8.0 drop the bytes of a TLS record that has RST_STREAM, too; the
    -- status is kept.
    local drops = libcurl == 788 or libcurl == 800

    for _, code in ipairs { CANCEL, INTERNAL_ERROR, REFUSED_STREAM } do
      it("has an error with the status and the body, RST_STREAM " .. code, function()
        for _, reused in ipairs { false, true } do
          local _, err = post({ HEADERS, DATA, CUT, LITTLE, { "rst", code } }, reused)
          rig.assert_error(err, { kind = "network", sent = "yes", status = 200, body = BODY })
          client:close()
          _, err = post({ HEADERS, DATA, { "rst", code } }, reused)
          rig.assert_error(err, { kind = "network", sent = "yes", status = 200, body = drops and "" or BODY })
          client:close()
          _, err = post({ { "headers", 401, {} }, DATA, { "rst", code } }, reused)
          rig.assert_error(err, { kind = "auth", sent = "yes", status = 401, body = drops and "" or BODY })
          client:close()
        end
      end)
    end

    it("counts as whole where RST_STREAM has no error, or comes behind its end", function()
      for _, frames in ipairs { { HEADERS, DATA, CUT, LITTLE, { "rst", NO_ERROR } }, { HEADERS, LAST_DATA, { "rst", NO_ERROR } },
        { HEADERS, LAST_DATA, { "rst", CANCEL } } } do
        local res, err = post(frames, true)
        assert.equal(BODY, res and res.body or err.body)
        if libcurl ~= 800 then assert(res, err) end -- which takes NO_ERROR for one
        client:close()
      end
    end)
  end)

  -- nghttp2 ends the connection with a GOAWAY of its own.
  local REFUSED_FRAMES = {
    ["DATA of an idle stream"] = { "frame", 0, 0, ABOVE, "00" },
    ["DATA of the connection"] = { "frame", 0, 0, "zero", "00" },
    ["CONTINUATION without HEADERS"] = { "frame", 9, 4, THIS, "88" },
    ["a PING of two bytes"] = { "frame", 6, 0, "zero", "0000" },
    ["a GOAWAY of one byte"] = { "frame", 7, 0, "zero", "00" },
    ["WINDOW_UPDATE of nothing"] = { "frame", 8, 0, "zero", "00000000" },
  }
  for name, frame in pairs(REFUSED_FRAMES) do
    it("is opened on another connection, if an idle one has received " .. name, function()
      local case = peer:case()
      local script = { case = case, times = 1, ["do"] = { HEADERS, LAST_DATA, CUT, frame } }
      client = peer:client()
      assert(client:request("POST", "/x", script))
      os.execute "sleep 0.05"
      assert(client:request("POST", "/x", script))
      local executions = peer:executions(case)
      assert.equal(2, #executions)
      assert.not_equal(executions[1].connection, executions[2].connection)
    end)

    it("may have been executed, if its connection has received " .. name .. " after it was sent", function()
      local case = peer:case()
      client = peer:client()
      assert(client:request("GET", "/ok"))
      local _, err = client:request("POST", "/x", { case = case, ["do"] = { frame, END } })
      rig.assert_error(err, { sent = "unknown" })
      assert.equal(1, #peer:executions(case))
    end)

    it("ends at once, if its connection has received " .. name .. ", for one or for another one", function()
      for _, count in ipairs { 1, 8 } do
        local engine, case, transfers = core.engine(), peer:case(), {}
        if not engine:fd() then engine:close() return pending "the portable driver has libcurl wait" end
        local first = peer:start(engine, "{}") -- opens the connection
        repeat
          engine:wait(1)
          engine:step()
        until first:is_finished()
        first:close()
        for i = 1, count do
          local frames = i == math.ceil(count / 2) and { { "gather", count + 1 }, frame } or grid.array {}
          transfers[i] = peer:start(engine, json.encode { case = case, ["do"] = frames })
        end
        local began = core.now()
        repeat
          engine:wait(1)
          engine:step()
        until engine:in_flight() == 0
        for _, one in ipairs(transfers) do
          local answer = one:answer()
          assert.equal("unknown", answer.sent)
          one:close()
        end
        assert.is_true(core.now() - began < 5)
        assert.equal(count, #peer:executions(case))
        engine:close()
      end
    end)
  end

  -- libcurl may find that the connection has ended before it reports that the answer has.
  it("has its answer, if the connection ends behind as many bytes as the answer said", function()
    local head = { "headers", 200, { ["content-type"] = "application/json", ["content-length"] = tostring(#BODY) } }
    -- Inside nginx the driver keeps the connection, which must have ended before the next
    -- request.
    local function close()
      local ended = core.now() + 0.1
      client:close()
      rig.await(function() return core.now() >= ended end)
    end
    for _, ending in ipairs { END, { "sever" } } do
      for _, data in ipairs { DATA, LAST_DATA } do
        local ends = { { head, data, ending }, { head, data, CUT, LITTLE, ending }, { head, CUT, LITTLE, data, ending } }
        for _, frames in ipairs(ends) do
          assert.equal(BODY, assert(post(frames)).body)
          close()
        end
      end
      local _, err = post { head, { "data", BODY:sub(2) }, CUT, LITTLE, ending }
      rig.assert_error(err, { kind = "network", sent = "yes", status = 200, body = BODY:sub(2) })
      close()
    end
    local _, err = post { head, DATA, { "rst", CANCEL } }
    rig.assert_error(err, { kind = "network", sent = "yes", status = 200 })
  end)

  -- The body of a request does not fit into the window that the server gives, which
  -- answers nevertheless.
  describe("that is answered before the server has taken the request", function()
    local function post_early(frames)
      peer.server:set_early(json.encode { ["do"] = frames })
      client = peer:client { base_url = peer.server.early }
      return client:request("POST", "/x", { text = ("x"):rep(100000) }, { timeout = 1 })
    end

    local function head(status)
      return { "headers", status, { ["content-type"] = "application/json", ["content-length"] = tostring(#BODY) } }
    end

    it("has its answer, if the server closes the stream", function()
      assert.equal(BODY, assert(post_early { head(200), LAST_DATA, CUT, LITTLE, { "rst", NO_ERROR } }).body)
      client:close()
      local _, err = post_early { head(413), LAST_DATA, CUT, LITTLE, { "rst", NO_ERROR } }
      rig.assert_error(err, { kind = "api", status = 413, body = BODY, code = "http_413" })
    end)

    it("has its answer, or the status of it, if the server closes the stream at once", function()
      local res, err = post_early { head(200), LAST_DATA, { "rst", NO_ERROR } }
      if libcurl == 788 or libcurl == 800 then
        rig.assert_error(err, { kind = "network", sent = "yes", status = 200 })
      else
        assert.equal(BODY, assert(res, err).body)
      end
      client:close()
      res, err = post_early { head(413), LAST_DATA, { "rst", NO_ERROR } }
      assert.is_nil(res)
      rig.assert_error(err, { kind = "api", status = 413, code = "http_413" })
    end)

    it("has its answer when its time is up, if the server leaves the stream open", function()
      assert.equal(BODY, assert(post_early { head(200), LAST_DATA }).body)
    end)

    it("has no answer that is shorter than it said", function()
      local _, err = post_early { head(200), { "data", BODY:sub(2) } }
      rig.assert_error(err, { kind = "timeout", status = 200, body = BODY:sub(2) })
    end)
  end)

  it("is refused by a GOAWAY that another one reads, and one below it is answered", function()
    if libcurl < 788 then return pending "libcurl before 7.88 does not tell the last stream of a GOAWAY" end
    local COUNT, SPEAKER = 8, 4
    local engine, transfers = core.engine(), {}
    local function step_until(done)
      repeat
        engine:wait(1)
        engine:step()
      until done()
    end
    local first = peer:start(engine, "{}") -- opens the connection
    step_until(function() return first:is_finished() end)
    for i = 1, COUNT do
      local frames = i > SPEAKER and "" or ('["gather",%d],%s["wait",30],["headers",200,{}],["data","{}",true]'):format(
        COUNT + 1, i == SPEAKER and '["goaway",0,0],' or "")
      transfers[i] = peer:start(engine, ('{"do":[%s]}'):format(frames))
    end
    step_until(function() return engine:in_flight() == 0 end)
    for i = 1, COUNT do
      local answer = transfers[i]:answer()
      assert.equal(i <= SPEAKER and "yes" or "no", answer.sent, "transfer " .. i .. ": " .. tostring(answer.message))
      assert.equal(i > SPEAKER and "stream_refused" or nil, answer.code)
      transfers[i]:close()
    end
    first:close()
    engine:close()
  end)

  -- libcurl 7.88 fails to send on the connection that it has closed.
  it("is opened on another connection, if the one by way of a proxy over TLS has ended", function()
    local COUNT, IN_FLIGHT = 400, 8
    local proxy, engine, case = fault_server.start(), core.engine(), peer:case()
    local settings = { max_response_bytes = 1000, insecure_skip_tls_verify = true, proxy = proxy.proxy }
    local ending = '["headers",200,{}],["data","{}",true],["goaway","max",0],["wait",2],["end"]'
    local flying, begun = {}, 0
    repeat
      while begun < COUNT and engine:in_flight() < IN_FLIGHT do
        begun = begun + 1
        local steps = begun % 10 == 0 and ending or ('["wait",%d],["headers",200,{}],["data","{}",true]'):format(begun % 4)
        local body = ('{"case":"%s-%d","do":[%s]}'):format(case, begun, steps)
        local request = { method = "POST", url = peer.server.https .. "/x", headers = {}, body = body }
        local transfer, id = assert(engine:start(request, settings, 10, 10))
        flying[id] = { transfer = transfer, case = case .. "-" .. begun }
      end
      engine:wait(1)
      engine:step()
      for id in function() return engine:next_finished() end do
        local one = flying[id]
        local answer = one.transfer:answer()
        if answer.code then assert.equal("connection_lost", answer.code) end
        assert.is_true(#peer:executions(one.case) <= 1)
        one.transfer:close()
        flying[id] = nil
      end
    until begun == COUNT and engine:in_flight() == 0
    engine:close()
    proxy:stop()
  end)

  it("does not bring a connection to 1,000 requests, where nginx ends it", function()
    if libcurl >= 788 then return pending "libcurl 7.88 and later tell which streams are refused" end
    local COUNT, IN_FLIGHT = 2000, 32
    local engine, case = core.engine(), peer:case()
    local flying, begun = {}, 0
    repeat
      while begun < COUNT and engine:in_flight() < IN_FLIGHT do
        local transfer, id = peer:start(engine, ('{"case":"%s"}'):format(case))
        begun = begun + 1
        flying[id] = transfer
      end
      engine:wait(1)
      engine:step()
      for id in function() return engine:next_finished() end do
        assert.equal(200, flying[id]:answer().status)
        flying[id]:close()
        flying[id] = nil
      end
    until begun == COUNT and engine:in_flight() == 0
    local requests, connections = {}, 0
    for _, execution in ipairs(peer:executions(case)) do
      local number = execution.connection
      if not requests[number] then connections = connections + 1 end
      requests[number] = (requests[number] or 0) + 1
    end
    for _, count in pairs(requests) do assert.is_true(count < 1000, count .. " requests") end
    assert.equal(3, connections)
    engine:close()
  end)
end)
