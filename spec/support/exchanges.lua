-- What the specs of grid.core's engine and transfers share: a fault server, and exchanges
-- with it that are made without a client.
-- Does not know: what a spec expects of an answer.

local assert = require "luassert"
local core = require "grid.core"
local fault_server = require "spec.support.fault_server"

local exchanges = {}

local function collect()
  collectgarbage()
  collectgarbage()
end

exchanges.collect = collect

--- For a describe block: a fault server for all its tests. Each test ends with as many
--- blocks of the C core as it began with.
---@return table server empty until the first test
function exchanges.server()
  local busted, server, blocks = require "busted", {}, nil
  busted.setup(function()
    local started = fault_server.start()
    for name, value in pairs(started) do server[name] = value end
    setmetatable(server, getmetatable(started))
  end)
  busted.teardown(function() server:stop() end)
  busted.before_each(function()
    collect()
    blocks = core.live()
  end)
  busted.after_each(function()
    collect()
    assert.equal(blocks, core.live())
  end)
  return server
end

--- A GET of that path, with other `fields`.
function exchanges.get(server, path, fields)
  local one = {
    method = "GET", url = server.http .. path, headers = {}, timeout = 10, connect_timeout = 5, max_response_bytes = 10000,
    proxy = "",
  }
  for name, value in pairs(fields or {}) do one[name] = value end
  return one
end

function exchanges.start(engine, one)
  return engine:start(one, one, one.timeout, one.connect_timeout)
end

--- Steps the engine until the transfer has finished.
function exchanges.await(engine, transfer)
  local deadline = core.now() + 10
  while not transfer:is_finished() and core.now() < deadline do
    engine:step()
    engine:wait(0.05)
  end
  assert.is_true(transfer:is_finished())
end

--- -> the answer, with its body as a string
function exchanges.finish(engine, transfer)
  exchanges.await(engine, transfer)
  local answer = transfer:answer()
  answer.body = answer.content and answer.content:string()
  answer.content = nil
  transfer:close()
  return answer
end

--- -> the answer to one exchange, as `finish` returns it
function exchanges.fetch(engine, one)
  return exchanges.finish(engine, assert(exchanges.start(engine, one)))
end

return exchanges
