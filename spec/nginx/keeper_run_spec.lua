-- keeper:run in a timer of nginx, where the worker ends as nginx says.

local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.keeper_scene"

local RUN = [[
  init_worker_by_lua_block {
    ngx.timer.at(0, function() assert(require("spec.nginx.keeper_app").keeper:run { every = 0.1 }) end)
  }
]]

describe("keeper:run in a timer of nginx", function()
  local scene

  before_each(function() scene = scenes.start { http = RUN } end)

  after_each(function() assert.is_nil(scene:stop()) end)

  local function await_refresh()
    local id = scene:add()
    assert.is_true(nginx.wait_for(10, function() return assert(scene:keeper():status(id)).generation == 2 end))
  end

  it("ends with its worker at a reload, and at a QUIT", function()
    await_refresh()
    local before = scene.nginx:workers()
    scene.nginx:signal "HUP"
    assert.is_true(scene.nginx:has_replaced(before))
    await_refresh()
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
  end)

  it("leaves the signals of the worker to nginx", function()
    await_refresh()
    local before = scene.nginx:workers()
    os.execute("kill -TERM " .. before[1])
    assert.is_true(scene.nginx:has_replaced(before))
    await_refresh()
  end)
end)
