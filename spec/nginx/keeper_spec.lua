-- The keeper inside nginx: one folder of sessions for all workers, each of which has the
-- keeper that was made before the fork.

local scenes = require "spec.nginx.keeper_scene"

describe("a keeper that was made before the fork", function()
  local scene

  after_each(function()
    local problem = scene and scene:stop()
    scene = nil
    assert.is_nil(problem)
  end)

  it("is another owner in each worker: no worker takes over the refresh of another one that is under way", function()
    scene = scenes.start { workers = 2, listen = "reuseport", mode = "idempotent" } -- so that an orphan is taken over at once
    local id = scene:add()
    scene.oauth:fault { kind = "delay", hold = true }
    local first = scene:begin("/get?timeout=30&id=" .. id)
    scene.oauth:wait_held(1)
    local workers = {}
    for _ = 1, 12 do
      local late = scene:ask("/get?timeout=0.05&id=" .. id)
      assert.same({ "session_expired", "refresh_under_way" }, { late.code, late.cause }, late.message)
      workers[late.worker] = true
    end
    assert.truthy(next(workers, next(workers)), "both workers have been asked")
    scene.oauth:release()
    local got = first()
    assert.is_true(got.ok, got.message)
    assert.equal(got.token, scene:ask_another(got.worker, "/get?id=" .. id).token)
    local counts = scene.oauth:counts()
    assert.same({ 1, 0, 1 }, { counts.executions, counts.replays, counts.requests })
  end)
end)
