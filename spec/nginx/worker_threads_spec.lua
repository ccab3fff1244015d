-- Calls in threads of nginx's own (`ngx.run_worker_thread`): a call blocks its thread,
-- and neither the worker nor the calls of other threads.

local json = require "spec.sandbox.json"
local keeper_scenes = require "spec.nginx.keeper_scene"
local scenes = require "spec.nginx.scene"

local THREADS = "thread_pool calls threads=4;"
local LOCATION = [[
    location = /thread {
        content_by_lua_block {
            local ok, outcome = ngx.run_worker_thread("calls", "spec.nginx.thread_app", ngx.var.arg_call, ngx.var.arg_id)
            require("spec.nginx.app").say(ok and outcome or { message = outcome })
        }
    }
    location = /quick { content_by_lua_block { ngx.print "{}" } }
]]

local function begin(scene, path, count)
  local requests = {}
  for i = 1, count do requests[i] = scene.nginx:begin(path) end
  return requests
end

-- -> the outcomes of the requests
local function finish(requests)
  local outcomes = {}
  for i, request in ipairs(requests) do outcomes[i] = json.decode((request:finish())) end
  return outcomes
end

describe("in worker threads", function()
  local scene

  after_each(function()
    local problem = scene and scene:stop()
    scene = nil
    assert.is_nil(problem)
  end)

  it("calls go out side by side, while the worker serves others", function()
    scene = scenes.start { main = THREADS, locations = LOCATION }
    scene.sandbox:fault { kind = "delay", hold = true, count = 4 }
    local requests = begin(scene, "/thread?call=refresh", 4)
    scene.sandbox:wait_held(4)
    local _, status = scene.nginx:get("/quick", "--max-time 5")
    scene.sandbox:release()
    assert.equal(200, status)
    for _, outcome in ipairs(finish(requests)) do assert.is_true(outcome.ok, outcome.message) end
    for _, outcome in ipairs(finish(begin(scene, "/thread?call=refresh", 12))) do assert.is_true(outcome.ok, outcome.message) end
    assert.equal(16, scene.sandbox:stats().executions)
  end)

  it("the keepers refresh a session once", function()
    scene = keeper_scenes.start { main = THREADS, locations = LOCATION }
    local outcomes = finish(begin(scene, "/thread?call=get&id=" .. scene:add(), 12))
    for _, outcome in ipairs(outcomes) do assert.equal(outcomes[1].token, outcome.token, outcome.message) end
    assert.truthy(outcomes[1].token)
    assert.equal(1, scene.oauth:counts().executions)
  end)
end)
