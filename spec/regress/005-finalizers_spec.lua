-- A finalizer runs at any allocation, also within a function of the core, and when the
-- program ends. One that encoded JSON overwrote the text being encoded; one that closed
-- an engine or a key freed it while a function used it; and a collected client resumed a
-- coroutine of a closed loop. Each test is a whole program, since some of them crashed.

local child = require "spec.support.child"

local PRELUDE = [[
local function with_finalizer(work)
  if _VERSION == "Lua 5.4" then return setmetatable({}, { __gc = work }) end
  local object = newproxy(true)
  getmetatable(object).__gc = work
  return object
end
collectgarbage("setpause", 10)
collectgarbage("setstepmul", 1000)
]]

-- Answers one peer after another. A request ends with an empty line.
local SERVER = [[
local socket = require "socket"
local server = assert(socket.bind("127.0.0.1", 0))
local peer
server:settimeout(0)
local function serve(headers, body)
  peer = peer or server:accept()
  if not peer then return end
  peer:settimeout(0)
  if peer:receive "*l" == "" then
    peer:send("HTTP/1.1 200 OK\r\n" .. headers .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
  end
end
]]

describe("a finalizer", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  local function run(program)
    folder:write("program.lua", PRELUDE .. program)
    local code, out, err = folder:run(child.vm .. " program.lua")
    assert.equal("", err)
    assert.equal(0, code)
    return out
  end

  it("that encodes leaves the text alone that is being encoded", function()
    assert.equal("good", run [[
      local json = require "grid.json"
      local value = {}
      for i = 1, 20 do
        value[i] = {}
        for j = 1, 40 do value[i]["name" .. i .. "_" .. j] = { "text" .. j } end
      end
      local expected = json.encode(value)
      for _ = 1, 300 do
        for _ = 1, 20 do with_finalizer(function() json.encode { "other" } end) end
        assert(json.encode(value) == expected)
      end
      io.write "good"
    ]])
  end)

  it("that adds names to the table that is being encoded does no harm", function()
    assert.equal("good", run [[
      local json = require "grid.json"
      for round = 1, 2000 do
        local value, added = {}, 0
        for j = 1, 33 do value["name" .. j] = j end
        for _ = 1, 5 do
          with_finalizer(function()
            for j = 1, 20 do value[("added %d %d"):format(added, j)] = j end
            added = added + 1
          end)
        end
        assert(json.encode(value))
      end
      io.write "good"
    ]])
  end)

  it("that closes an engine does not take it from a transfer that begins", function()
    assert.equal("good", run [[
      local core = require "grid.core"
      local exchange = {
        method = "GET", url = "http://127.0.0.1:9/", headers = {}, timeout = 1, connect_timeout = 1, max_response_bytes = 1,
      }
      for _ = 1, 3000 do
        local engine = core.engine()
        with_finalizer(function() engine:close() end)
        for _ = 1, 50 do
          local ok, transfer = pcall(engine.start, engine, exchange, exchange, 1, 1)
          if not ok then break end
          if transfer then transfer:close() end
        end
        engine:close()
      end
      io.write "good"
    ]])
  end)

  it("that closes a key does not take it from a function that reads it", function()
    assert.equal("good", run [[
      local core = require "grid.core"
      local known = core.key_new():export()
      for round = 1, 1000 do
        local key = core.key_from_text(known)
        with_finalizer(function() key:close() end)
        for i = 1, 50 do
          local ok, text = pcall(key.export, key)
          if not ok then break end
          assert(text == known)
          pcall(key.open, key, round + i / 64, i / 1024) -- texts are made of these
          pcall(key.sign_payload, key, round + i / 4096)
        end
      end
      io.write "good"
    ]])
  end)

  it("that closes a transfer does not take its answer from a function that reads it", function()
    assert.equal("good", run(SERVER .. [[
      local core = require "grid.core"
      local list = {}
      for i = 1, 200 do list[i] = ('"text %d of the list"'):format(i) end
      local body = "[" .. table.concat(list, ",") .. "]"
      local headers = ""
      for i = 1, 100 do headers = headers .. ("X-%d: text %d\r\n"):format(i, i) end
      local exchange = {
        method = "GET", url = ("http://127.0.0.1:%d/"):format(select(2, server:getsockname())), headers = {},
        timeout = 10, connect_timeout = 5, max_response_bytes = 10000, proxy = "",
      }
      local engine = core.engine()

      local function fetch()
        local transfer = engine:start(exchange, exchange, 10, 5)
        while not transfer:is_finished() do
          engine:step()
          serve(headers, body)
          engine:wait(0.001)
        end
        return transfer
      end

      local during = 0
      for _ = 1, 200 do
        local transfer = fetch()
        local closed = false
        with_finalizer(function()
          transfer:close()
          closed = true
        end)
        for _ = 1, 20 do
          local ok, answer = pcall(transfer.answer, transfer)
          if not ok then break end
          if closed then during = during + 1 end
          assert(answer.bytes == #body and answer.headers["x-100"] == "text 100")
          assert(answer.headers["content-length"] == tostring(#body))
          assert(answer.content:string() == body)
          local value = answer.content:decode({})
          assert(#value == 200 and value[200] == "text 200 of the list")
        end
        transfer:close()
        if during >= 20 then break end
      end
      assert(during > 0, "no finalizer ran during the reading")
      io.write "good"
    ]]))
  end)

  it("of a client wakes no waiter when the program ends during a call", function()
    assert.equal("left", run [[
      local grid = require "grid"
      local uv = require "luv"
      local silent = uv.new_tcp()
      silent:bind("127.0.0.1", 0)
      silent:listen(1, function() end)
      local client = grid.new {
        base_url = "http://127.0.0.1:" .. silent:getsockname().port, api_key = "key", host = require "grid.host.luv",
      }
      coroutine.wrap(function() client:request("GET", "/accounts/any") end)()
      uv.run "nowait"
      io.write "left"
    ]])
  end)
end)
