-- The store in Redis, used by many processes at the same time.
-- Does not know: the keeper.

local child = require "spec.support.child"
local linear = require "spec.store.linear"
local load = require "spec.store.load"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local rig = require "spec.support.rig"

local server, client

setup(function() server = redis.start() end)
teardown(function() server:stop() end)

before_each(function()
  client = server:client()
  client:flushall()
  rig.mark()
end)

after_each(rig.assert_nothing_left)

describe("many processes on one Redis", function()
  local WORKERS, OPERATIONS = 8, 60
  local folder

  before_each(function()
    folder = child.folder()
    folder:write("worker.lua", [[
      local redis = require "spec.support.redis"
      local port, name, count, breaks = tonumber(arg[1]), arg[2], tonumber(arg[3]), arg[4]
      for _, script in ipairs(require("grid.store.redis").SCRIPTS) do
        if breaks and script.text:find(breaks, 1, true) then
          script.sha, script.text = ("0"):rep(40), (script.text:gsub(breaks:gsub("%p", "%%%0"), ""))
        end
      end
      local client = require("redis").connect("127.0.0.1", port)
      local store = require("grid").store.redis { connect = function() return client end }
      -- A worker begins when all are there: else the first ones would be alone.
      client:incr "ready"
      repeat until tonumber(client:get "ready") >= tonumber(arg[6])
      local errors, problem = require("spec.store.load").run(store, arg[5] .. name, name, count)
      if errors > 0 then print(problem) end
    ]])
  end)

  after_each(function() folder:remove() end)

  -- Each on one of the VMs. -> their operations
  local function run(breaks)
    local vms, processes = process.vms(), {}
    client:del "ready"
    for i = 1, WORKERS do
      local arguments = { server.port, i, OPERATIONS, breaks or "no such line", folder.path .. "/history.", WORKERS }
      processes[i] = process.start(folder.path .. "/worker.lua", arguments, { vm = vms[i % #vms + 1], folder = folder.path })
    end
    for _, one in ipairs(processes) do
      while not one:code() do os.execute "sleep 0.02" end
      assert.equal("", one:output() .. one:errors())
      one:close()
    end
    return (load.history(folder.path))
  end

  it("is linearizable", function()
    local operations = run()
    assert.equal(WORKERS * OPERATIONS, #operations)
    assert.same({ true }, { linear.check_all(operations) })
  end)

  for name, line in pairs {
    ["a put that does not compare"] = "if rev ~= ARGV[2] then return 'conflict ' .. ARGV[3] end",
    ["a removal that does not compare"] = "if redis.call('HGET', KEYS[1], 'rev') ~= ARGV[2] then return 'conflict ' .. ARGV[2] end",
  } do
    it("would not be with " .. name, function()
      assert.is_nil((linear.check_all(run(line))))
    end)
  end
end)
