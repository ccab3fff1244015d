-- grid.core's exchanges and transfers through Lua: the fields of an answer, refused
-- exchanges, and closing at any time.

local core = require "grid.core"
local exchanges = require "spec.support.exchanges"

local start, await, finish, collect = exchanges.start, exchanges.await, exchanges.finish, exchanges.collect

local function is_open(name) return name ~= "close" end

describe("grid.core", function()
  local server = exchanges.server()

  local function exchange(path, fields) return exchanges.get(server, path, fields) end

  local function fetch(engine, path, fields) return exchanges.fetch(engine, exchange(path, fields)) end

  describe("an exchange", function()
    local engine

    before_each(function() engine = core.engine() end)
    after_each(function() engine:close() end)

    it("comes back as a table of plain values", function()
      local answer = fetch(engine, "/ok")
      assert.equal(200, answer.status)
      assert.equal('{"data":{}}', answer.body)
      assert.equal("yes", answer.sent)
      assert.equal("application/json", answer.headers["content-type"])
      assert.same({}, answer.cookies)
      assert.is_true(answer.seconds > 0)
      assert.is_nil(answer.kind)
      assert.is_nil(answer.retry_after)
    end)

    it("goes out as it was given, and its table is left alone", function()
      local given = exchange("/echo", { method = "POST", body = "a\0b", headers = { "X-One: 1", "X-Two: caf\195\169" } })
      local copy = exchange("/echo", { method = "POST", body = "a\0b", headers = { "X-One: 1", "X-Two: caf\195\169" } })
      local answer = finish(engine, start(engine, given))
      assert.same(copy, given)
      assert.truthy(answer.body:find('"x-one":"1"', 1, true))
      assert.truthy(answer.body:find('"method":"POST"', 1, true))
      assert.truthy(answer.body:find('"body":"610062"', 1, true))
    end)

    it("leaves out a header that is false", function()
      local answer = fetch(engine, "/echo", { headers = { "X-One: 1", false, "X-Three: 3", false } })
      assert.truthy(answer.body:find('"x-one":"1"', 1, true))
      assert.truthy(answer.body:find('"x-three":"3"', 1, true))
    end)

    it("sends a large body without asking for leave", function()
      for _, size in ipairs { 2 ^ 20 - 1, 2 ^ 20, 2 ^ 20 + 1 } do
        local answer = fetch(engine, "/echo", { method = "POST", body = ("x"):rep(size), max_response_bytes = 2 ^ 22 })
        assert.equal(200, answer.status)
        assert.is_nil(answer.body:find('"expect"', 1, true))
      end
    end)

    -- The peer has not accepted the connection when the table and the body are collected.
    it("keeps its body when nothing else does", function()
      local transfer = start(engine, exchange("/echo", { method = "POST", body = ("abc"):rep(40000), max_response_bytes = 2 ^ 20 }))
      collect()
      local others = {}
      for i = 1, 20 do others[i] = ("xyz"):rep(40000) .. i end
      assert.equal(20, #others)
      local answer = finish(engine, transfer)
      assert.truthy(answer.body:find('"body":"' .. ("616263"):rep(40000) .. '"', 1, true))
    end)

    it("keeps its own URL while others begin", function()
      local echo = assert(start(engine, exchange "/echo"))
      local ok = assert(start(engine, exchange "/ok"))
      local headers = assert(start(engine, exchange "/headers"))
      assert.equal('{"data":{}}', finish(engine, ok).body)
      assert.truthy(finish(engine, echo).body:find '"method":"GET"')
      assert.equal("one, two", finish(engine, headers).headers["x-twice"])
    end)

    it("to no URL at all is refused", function()
      for _, url in ipairs { "", "http://", "http://[::1", "http://a b/" } do
        local transfer, kind = start(engine, exchange("", { url = url }))
        local answer = transfer and finish(engine, transfer) or { kind = kind }
        assert.equal("request", answer.kind, url)
      end
    end)

    it("joins headers that come again, and keeps cookies apart", function()
      local answer = fetch(engine, "/headers")
      assert.equal("one, two", answer.headers["x-twice"])
      assert.same({ "a=1, b; Path=/", "c=2" }, answer.cookies)
      assert.is_nil(answer.headers["set-cookie"])
      assert.equal(7, answer.retry_after)
    end)

    it("that fails says how, and that it may have been executed", function()
      local answer = fetch(engine, "/drop")
      assert.equal("network", answer.kind)
      assert.equal("connection_lost", answer.code)
      assert.equal("unknown", answer.sent)
      assert.is_nil(answer.status)
      assert.is_nil(answer.body)
      assert.is_nil(answer.headers)
    end)

    it("over its limit keeps the bytes up to the limit", function()
      local answer = fetch(engine, "/ok", { max_response_bytes = 4 })
      assert.equal("protocol", answer.kind)
      assert.equal("body_too_large", answer.code)
      assert.equal('{"da', answer.body)
      assert.equal(200, answer.status)
      assert.equal("yes", answer.sent)
    end)

    it("takes limits beyond all sense for none", function()
      for _, huge in ipairs { 2 ^ 53, 1e300 } do
        local answer = fetch(engine, "/ok", { max_response_bytes = huge, timeout = huge, connect_timeout = huge })
        assert.equal('{"data":{}}', answer.body)
      end
    end)

    it("that cannot go out is an error at once", function()
      local cases = { "X: a\r\nEvil: 1", "X: \0", "no colon", ": no name", "", "X:", "X: \t " }
      for _, line in ipairs(cases) do
        local transfer, kind, code, message = start(engine, exchange("/ok", { headers = { line } }))
        assert.is_nil(transfer)
        assert.equal("request", kind)
        assert.equal("bad_header", code)
        assert.equal("string", type(message))
      end
      assert.equal(0, engine:in_flight())
    end)

    -- With libcurl 7.81 the request may have been sent when `start` returns.
    it("does not go out after its time, which has passed when the connection is ready", function()
      local transfer = start(engine, exchange("/ok", { not_after = core.boottime() }))
      await(engine, transfer)
      local answer = transfer:answer()
      assert.same({ "request", "too_late", "no" }, { answer.kind, answer.code, answer.sent })
      transfer:close()
      assert.equal(200, fetch(engine, "/ok", { not_after = core.boottime() + 60 }).status)
    end)

    it("with a field of the wrong type raises and names it", function()
      local wrong = {
        method = { false, 1, {} }, url = { false, {} }, headers = { false, "X: y", { 1 }, { {} } },
        max_response_bytes = { {} },
      }
      for name, values in pairs(wrong) do
        for _, value in ipairs(values) do
          local ok, message = pcall(start, engine, exchange("/ok", { [name] = value }))
          assert.is_false(ok)
          assert.truthy(message:find(name, 1, true) or message:find("table", 1, true), message)
        end
      end
      local many = {}
      for i = 1, 129 do many[i] = "X: y" end
      assert.is_false(pcall(start, engine, exchange("/ok", { headers = many })))
      local one = exchange "/ok"
      assert.is_false(pcall(engine.start, engine))
      assert.is_false(pcall(engine.start, engine, "GET", one, 1, 1))
      assert.is_false(pcall(engine.start, engine, one, "GET", 1, 1))
      assert.is_false(pcall(engine.start, engine, one, one, "soon", 1))
      assert.is_false(pcall(engine.start, engine, one, one, 1))
      assert.equal(0, engine:in_flight())
    end)
  end)

  describe("a transfer", function()
    local engine

    before_each(function() engine = core.engine() end)
    after_each(function() engine:close() end)

    it("raises a clean error for each method once it is closed", function()
      local transfer = start(engine, exchange "/ok")
      transfer:close()
      for name, method in pairs(getmetatable(transfer).__index) do
        if is_open(name) then
          local ok, message = pcall(method, transfer)
          assert.is_false(ok, name)
          assert.truthy(message:find("the transfer is closed", 1, true), message)
        end
        assert.is_false(pcall(method, engine), name)
        assert.is_false(pcall(method, {}), name)
      end
    end)

    it("cannot be read before it has finished, and then again and again", function()
      local transfer = start(engine, exchange "/ok")
      local ok, message = pcall(transfer.answer, transfer)
      assert.is_false(ok)
      assert.truthy(message:find("has not finished", 1, true))
      await(engine, transfer)
      for _ = 1, 2 do
        assert.equal(200, transfer:answer().status)
        assert.equal('{"data":{}}', transfer:answer().content:string())
        assert.equal(11, transfer:answer().bytes)
      end
      transfer:close()
    end)

    it("gives a body that outlives it, and becomes a string when asked for", function()
      local transfer = start(engine, exchange "/ok")
      await(engine, transfer)
      local kept = transfer:answer().content
      transfer:close()
      for _ = 1, 2 do
        collectgarbage()
        assert.equal('{"data":{}}', kept:string())
      end
      assert.is_nil(tostring(kept):find('{"data"', 1, true))
      assert.is_false(pcall(kept.string, transfer))
    end)

    it("gives a body that is decoded as a text is", function()
      local transfer = start(engine, exchange "/echo")
      await(engine, transfer)
      local content, list = transfer:answer().content, {}
      assert.same({ core.json_decode(content:string(), list, "method") }, { content:decode(list, "method") })
      assert.is_false(pcall(content.decode, content))
      assert.is_false(pcall(content.decode, transfer, list))
      transfer:close()
    end)

    it("may be closed at any time, and again", function()
      local before, flying = start(engine, exchange "/ok"), start(engine, exchange "/silent")
      local finished = start(engine, exchange "/ok")
      before:close()
      await(engine, finished)
      for _ = 1, 2 do
        before:close()
        flying:close()
        finished:close()
      end
      assert.equal(0, engine:in_flight())
      assert.is_nil(engine:next_finished())
    end)

    it("is cancelled when it is collected in flight", function()
      for _ = 1, 10 do start(engine, exchange "/silent") end
      engine:step()
      collect()
      assert.equal(0, engine:in_flight())
      assert.equal(200, fetch(engine, "/ok").status)
    end)

    it("keeps the engine alive after the last holder has gone", function()
      local transfer = start(engine, exchange "/late")
      engine:close()
      local other = core.engine()
      assert.equal(1, other:in_flight())
      assert.equal(200, finish(other, transfer).status)
      other:close()
    end)

    it("may be collected in any order with its engine", function()
      for order = 1, 3 do
        local holder = core.engine()
        local transfer = start(holder, exchange "/silent")
        holder:step()
        if order == 1 then holder = nil end
        if order == 2 then transfer = nil end
        collect()
        assert.is_true(order == 3 or holder == nil or transfer == nil)
        holder, transfer = nil, nil -- luacheck: ignore
        collect()
        assert.equal(0, engine:in_flight())
      end
    end)
  end)
end)
