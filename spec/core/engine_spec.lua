-- grid.core's engine and transfers through Lua: each method, the methods of closed
-- objects, and any order of closing and collection.

local core = require "grid.core"
local exchanges = require "spec.support.exchanges"
local rig = require "spec.support.rig"

local function descriptors()
  return #core.file_names "/proc/self/fd"
end

local start, collect = exchanges.start, exchanges.collect

local function is_open(name) return name ~= "close" end

describe("grid.core", function()
  local server = exchanges.server()

  local function exchange(path, fields) return exchanges.get(server, path, fields) end

  local function fetch(engine, path, fields) return exchanges.fetch(engine, exchange(path, fields)) end

  it("tells time and makes UUIDs", function()
    local before = core.now()
    assert.equal("number", type(before))
    assert.is_true(core.now() >= before)
    assert.truthy(core.uuid():find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
    assert.are_not.equal(core.uuid(), core.uuid())
  end)

  describe("an engine", function()
    it("raises a clean error for each method once it is closed", function()
      local engine = core.engine()
      local methods = getmetatable(engine).__index
      engine:close()
      for name in pairs(methods) do
        if is_open(name) and name ~= "is_usable" then
          local ok, message = pcall(engine[name], engine, {})
          assert.is_false(ok, name)
          assert.truthy(message:find("the engine is closed", 1, true), message)
        end
      end
      assert.is_false(engine:is_usable())
    end)

    it("may be closed again and again", function()
      local engine = core.engine()
      assert.is_true(engine:is_usable())
      for _ = 1, 3 do engine:close() end
      getmetatable(engine).__gc(engine)
      engine:close()
    end)

    it("refuses other values in its place", function()
      local engine = core.engine()
      for name, method in pairs(getmetatable(engine).__index) do
        for _, wrong in ipairs { 1, "engine", {}, io.stdout, true } do
          assert.is_false(pcall(method, wrong), name)
        end
        assert.is_false(pcall(method), name)
      end
      engine:close()
    end)

    it("is closed where its variable ends", function()
      if jit then return end -- <close> is 5.4's
      local run = assert(load [[
        local core = ...
        local seen
        do
          local engine <close> = core.engine()
          seen = engine
        end
        return seen:is_usable()
      ]])
      assert.is_false(run(core))
    end)

    it("is shared: a second holder finds the connections of the first", function()
      local first, second = core.engine(), core.engine()
      assert.is_true(fetch(first, "/ok").connect_seconds > 0)
      assert.equal(0, fetch(second, "/ok").connect_seconds)
      first:close()
      assert.equal(0, fetch(second, "/ok").connect_seconds)
      second:close()
      local third = core.engine()
      assert.is_true(fetch(third, "/ok").connect_seconds > 0)
      third:close()
    end)

    it("ends with its last holder, and leaves no descriptor and no memory", function()
      core.engine():close() -- what libcurl opens once for the process is open now
      local before, blocks = descriptors(), core.live()
      for _ = 1, 3 do
        local holders = { core.engine(), core.engine() }
        fetch(holders[1], "/ok")
        holders[1]:close()
        assert.is_true(core.live() > blocks)
        assert.is_true(descriptors() > before)
        holders[2]:close()
        assert.equal(blocks, core.live())
        assert.equal(before, descriptors())
      end
    end)

    it("ends when its last holder is collected", function()
      local blocks = core.live()
      fetch(core.engine(), "/ok")
      collect()
      assert.equal(blocks, core.live())
    end)

    it("has a descriptor and a timeout only when there is something to wait for", function()
      local engine = core.engine()
      assert.is_nil(engine:timeout())
      assert.equal(0, engine:in_flight())
      local transfer = start(engine, exchange "/silent")
      assert.is_true(engine:timeout() >= 0)
      assert.equal(1, engine:in_flight())
      local fd = engine:fd()
      assert.is_true(fd == nil or fd >= 0)
      transfer:close()
      assert.equal(0, engine:in_flight())
      engine:close()
    end)

    it("brings on what waited for the connection of one that is given up, without a step", function()
      if rig.no_http2 then return pending(rig.no_http2) end -- each has a connection of its own, and none waits
      local port, close = rig.silent_port()
      local engine = core.engine()
      if not engine:fd() then engine:close() close() return pending "only a descriptor can be slept on" end
      local url = ("https://127.0.0.1:%d/"):format(port)
      local first, second = start(engine, exchange("", { url = url })), start(engine, exchange("", { url = url }))
      for _ = 1, 5 do
        engine:wait(0.02)
        engine:step()
      end
      local before = descriptors()
      first:close()
      assert.equal(before, descriptors()) -- one closed, one opened
      second:close()
      engine:close()
      close()
    end)

    it("does not turn in circles where a server has no room for a body", function()
      local engine = core.engine()
      if not engine:fd() then engine:close() return pending "the portable driver has libcurl wait" end
      if rig.no_http2 then engine:close() return pending(rig.no_http2) end
      fetch(engine, "", { url = server.narrow .. "/ok", ca_file = server.ca }) -- and the server's settings
      local transfer = start(engine, exchange("", {
        url = server.narrow .. "/ok", method = "POST", body = ("x"):rep(2000), ca_file = server.ca, timeout = 1,
      }))
      local steps, deadline = 0, core.now() + 0.5
      while core.now() < deadline do
        engine:wait(deadline - core.now())
        engine:step()
        steps = steps + 1
      end
      assert.is_false(transfer:is_finished())
      assert.is_true(steps < 5000, steps .. " steps") -- fifty times 64 and a few
      transfer:close()
      engine:close()
    end)

    it("names each finished transfer once, by its id", function()
      local engine = core.engine()
      local first, first_id = start(engine, exchange "/ok")
      local second, second_id = start(engine, exchange "/ok")
      assert.equal("userdata", type(first_id))
      assert.are_not.equal(first_id, second_id)
      local seen, count, deadline = {}, 0, core.now() + 10
      while count < 2 and core.now() < deadline do
        engine:step()
        local id = engine:next_finished()
        while id do
          seen[id], count = (seen[id] or 0) + 1, count + 1
          id = engine:next_finished()
        end
        engine:wait(0.05)
      end
      assert.same({ [first_id] = 1, [second_id] = 1 }, seen)
      assert.equal(200, first:answer().status)
      assert.equal(200, second:answer().status)
      engine:close()
    end)
  end)
end)
