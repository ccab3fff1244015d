-- The keeper inside nginx: one folder of sessions for all workers, each of which has the
-- keeper that was made before the fork.

local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.keeper_scene"
local soak = require "spec.nginx.keeper_soak"

local scene, expected

after_each(function()
  local problem = scene and scene:stop(expected)
  scene, expected = nil, nil
  assert.is_nil(problem)
end)

local function hold(count)
  scene.oauth:fault { kind = "delay", hold = true, count = count }
end

-- Of the sessions with these ids, the generation in the store.
local function generations(ids)
  local list = {}
  for i, id in ipairs(ids) do list[i] = assert(scene:keeper():status(id)).generation end
  return table.concat(list, " ")
end

describe("a keeper that was made before the fork", function()
  it("is another owner in each worker: no worker takes over the refresh of another one that is under way", function()
    scene = scenes.start { workers = 2, listen = "reuseport", mode = "idempotent" } -- so that an orphan is taken over at once
    local id = scene:add()
    hold()
    local first = scene:begin("/get?timeout=30&id=" .. id)
    scene.oauth:wait_held(1)
    local workers, requests = {}, 0
    repeat
      local late = scene:ask("/get?timeout=0.05&id=" .. id)
      assert.same({ "session_expired", "refresh_under_way" }, { late.code, late.cause }, late.message)
      workers[late.worker], requests = true, requests + 1
    until requests >= 12 and next(workers, next(workers)) -- the kernel chooses the worker
    scene.oauth:release()
    local got = first()
    assert.is_true(got.ok, got.message)
    assert.equal(got.token, scene:ask_another(got.worker, "/get?id=" .. id).token)
    local counts = scene.oauth:counts()
    assert.same({ 1, 0, 1 }, { counts.executions, counts.replays, counts.requests })
  end)

  it("refreshes once for sixty-four readers in eight workers", function()
    scene = scenes.start { workers = 8, listen = "reuseport", mode = "idempotent" }
    local id = scene:add()
    hold()
    local readers, workers, count = {}, {}, 0
    for i = 1, 64 do readers[i] = scene:begin("/get?timeout=30&id=" .. id) end
    scene.oauth:wait_held(1)
    scene.oauth:release()
    local token
    for i = 1, 64 do
      local got = readers[i]()
      assert.is_true(got.ok, got.message)
      token = token or got.token
      assert.equal(token, got.token)
      if not workers[got.worker] then count = count + 1 end
      workers[got.worker] = true
    end
    assert.is_true(count > 1)
    local counts = scene.oauth:counts()
    assert.same({ 1, 1, 0 }, { counts.rotations, counts.requests, counts.replays })
  end)

  it("asks no store for a fresh session in access_by_lua", function()
    scene = scenes.start {}
    local id = scene:add(3600)
    assert.is_true(scene:ask("/guarded?id=" .. id).ok)
    local before = scene:ask("/counters").calls
    for _ = 1, 20 do assert.is_true(scene:ask("/guarded?id=" .. id).ok) end
    assert.same(before, scene:ask("/counters").calls)
    assert.equal(1, before.get)
  end)

  it("writes on threads, a few for many sessions, and never in the worker itself", function()
    scene = scenes.start {}
    local requests = {}
    for i, tokens in ipairs(scene.oauth:families { count = 40 }) do
      requests[i] = scene:begin(("/add?id=n%d&token=%s"):format(i, tokens.refresh_token))
    end
    for i = 1, #requests do assert.is_true(requests[i]().ok) end
    for i = 1, 40 do requests[i] = scene:begin("/refresh?id=n" .. i) end
    for i = 1, 40 do assert.equal(2, requests[i]().generation) end
    assert.is_true(scene:ask("/remove?id=n1").ok)
    local counters = assert(scene:idle_counters())
    assert.same({ 0, 120, 1 }, { counters.blocking, counters.calls.put_by, counters.calls.remove_by })
  end)
end)

describe("a refresh in nginx whose callers go away", function()
  it("goes on to its end: nothing is lost, and nothing is left", function()
    scene = scenes.start { check_client_abort = true }
    local warm = scene:add()
    assert.is_true(scene:ask("/get?id=" .. warm).ok)
    local before = assert(scene:idle_counters())
    local ids, waiters = soak.lose_callers(scene, 50, 5)
    assert.equal(250, waiters)
    local after, seen = scene:idle_counters()
    assert.truthy(after, seen)
    assert.same({ 0, 0, before.blocks - before.writer }, { after.waiters, after.pending, after.blocks - after.writer })
    assert.equal(("2 "):rep(50), generations(ids) .. " ")
    local counts = scene.oauth:counts()
    assert.same({ 51, 0 }, { counts.executions, counts.reuses })
    assert.is_true(scene:ask("/get?id=" .. ids[1]).ok)
  end)
end)

describe("a refresh under way in a worker of nginx", function()
  local id, reader

  local function start(options)
    scene = scenes.start(options)
    id = scene:add()
    hold()
    reader = scene:begin("/get?timeout=30&id=" .. id)
    scene.oauth:wait_held(1)
  end

  local function assert_once(replays)
    assert.equal("2", generations { id })
    local counts = scene.oauth:counts()
    assert.same({ 1, replays, 0 }, { counts.rotations, counts.replays, counts.reuses })
  end

  it("is waited for by new workers after a reload, and adopted", function()
    start { workers = 2, mode = "idempotent" }
    local before = table.concat(scene.nginx:workers(), " ")
    scene.nginx:signal "HUP"
    local late
    assert.is_true(nginx.wait_for(10, function()
      late = scene:ask("/get?timeout=0.05&id=" .. id)
      return late.worker and not before:find(late.worker, 1, true)
    end))
    assert.equal("refresh_under_way", late.cause)
    local waiting = scene:begin("/get?timeout=30&id=" .. id)
    scene.oauth:release()
    assert.equal(reader().token, assert(waiting().token))
    assert_once(0)
  end)

  it("is brought to its end before the worker quits, whether the caller waits or not", function()
    for _, is_abandoned in ipairs { false, true } do
      start { check_client_abort = true }
      if is_abandoned then
        local other = scene:add()
        hold()
        local go_away = soak.abort(scene, { "/get?timeout=30&id=" .. other })
        scene.oauth:wait_held(2)
        go_away()
        id = id .. " " .. other
      end
      scene.nginx:signal "QUIT"
      scene.oauth:release()
      assert.is_true(reader().ok)
      assert.equal(0, scene.nginx:wait())
      local ids = {}
      for one in id:gmatch "%S+" do ids[#ids + 1] = one end
      assert.equal(is_abandoned and "2 2" or "2", generations(ids))
      assert.equal(0, scene.oauth:counts().reuses)
      assert.is_nil(scene:stop())
      scene = nil
    end
  end)

  it("keeps no worker from its end when what it spawns begins late", function()
    scene = scenes.start { init = [[
      local host = require "grid.host.nginx"
      local spawn = host.spawn
      host.spawn = function(...) return ngx.timer.at(1, function(_, ...) spawn(...) end, ...) and true end
    ]] }
    assert.is_true(scene:ask("/get?id=" .. scene:add()).ok)
    assert(scene:idle_counters())
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
  end)

  it("is replayed by another process after a TERM, where the server is idempotent", function()
    start { mode = "idempotent" }
    scene.nginx:signal "TERM"
    assert.equal(0, scene.nginx:wait())
    scene.oauth:release()
    assert.equal(2, assert(scene:keeper():get(id)).generation)
    assert_once(1)
  end)

  it("is taken over at once by another worker after a SIGKILL, where the server is idempotent", function()
    start { mode = "idempotent", workers = 2, listen = "reuseport" }
    soak.kill(scene:worker_in_flight())
    expected = "exited on signal 9"
    local got = scene:ask("/get?timeout=5&id=" .. id) -- the owner's time is 12 seconds
    assert.is_true(got.ok, got.message)
    scene.oauth:release()
    assert_once(1)
  end)
end)

describe("a refresh that nginx ends in the middle", function()
  local NO_TIMER = [[
    lua_max_pending_timers 1;
    init_worker_by_lua_block { ngx.timer.at(600, function() end) }
  ]]
  local KILL = [[
    location = /kill {
      content_by_lua_block {
        local app = require "spec.nginx.keeper_app"
        local thread = ngx.thread.spawn(app.keeper.get, app.keeper, ngx.var.arg_id)
        while not is_time do ngx.sleep(0.01) end
        ngx.print(ngx.thread.kill(thread) and "{}" or "null")
      }
    }
    location = /now { content_by_lua_block { is_time = true } }
  ]]
  local EXIT = [[
    require("spec.nginx.keeper_app").new {
      on_event = function(event) if event.id == "s2" then ngx.exit(500) end end,
    }
  ]]

  local function assert_taken_over(id)
    local got = scene:ask("/get?id=" .. id)
    assert.is_true(got.ok, got.message)
    scene.oauth:release()
    assert.same({ 1, 0 }, { scene.oauth:counts().replays, scene.oauth:counts().reuses })
    assert.equal(0, scene:ask("/counters").flights)
  end

  it("is taken over by the next reader, if a request has carried it out for want of a timer", function()
    scene = scenes.start { check_client_abort = true, mode = "idempotent", http = NO_TIMER }
    local id = scene:add()
    hold()
    local go_away = soak.abort(scene, { "/get?id=" .. id })
    scene.oauth:wait_held(1)
    go_away()
    assert_taken_over(id)
  end)

  it("is taken over, too, if that was a light thread, which keeps no request from its end", function()
    scene = scenes.start { mode = "idempotent", http = NO_TIMER, locations = KILL }
    local id = scene:add()
    hold()
    local killed = scene:begin("/kill?id=" .. id)
    scene.oauth:wait_held(1)
    scene:ask "/now"
    assert.same({}, killed())
    assert_taken_over(id)
  end)

  it("is taken over by its readers, if a handler has called ngx.exit, which ends the timer of all", function()
    scene = scenes.start { mode = "idempotent", init = EXIT }
    local id, exiting, later = scene:add(), scene:add(), scene:add()
    hold()
    local reader = scene:begin("/get?id=" .. id)
    scene.oauth:wait_held(1)
    assert.is_true(scene:ask("/get?id=" .. exiting).ok)
    assert.is_true(scene:ask("/get?id=" .. later).ok)
    local got = reader()
    assert.is_true(got.ok, got.message)
    assert_taken_over(id)
  end)
end)

describe("refreshes in nginx", function()
  it("lose no session to reloads and killed workers, where the server is idempotent", function()
    scene = scenes.start { workers = 4, listen = "reuseport", mode = "idempotent" }
    expected = "exited on signal 9"
    local ids = {}
    for i = 1, 40 do ids[i] = scene:add(3600) end
    local result = soak.run(scene, 500, ids, function(round)
      if round % 3 == 2 then scene.nginx:signal "HUP" end
      if round % 3 ~= 0 then return end
      hold(#ids)
      return function()
        scene.oauth:wait_held(#ids)
        soak.kill(scene:worker_in_flight())
        scene.oauth:release()
      end
    end)
    assert.is_true(result.answered >= 500)
    assert.same({}, soak.losses(scene, ids))
    assert.is_true(scene.oauth:counts().replays > 0)
  end)
end)

describe("keeper:start in nginx", function()
  local function await_generations(text, ids)
    assert.is_true(nginx.wait_for(10, function() return generations(ids) == text end))
  end

  it("refreshes in the background, once for all workers, and keeps no worker from its end", function()
    scene = scenes.start { workers = 2, http = [[
      init_worker_by_lua_block { assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 }) }
    ]] }
    local before = scene.nginx:workers()
    local ids = { scene:add(), scene:add(), scene:add() }
    await_generations("2 2 2", ids)
    scene.nginx:signal "HUP"
    assert.is_true(scene.nginx:has_replaced(before))
    ids[4] = scene:add()
    await_generations("2 2 2 2", ids)
    local counts = scene.oauth:counts()
    assert.same({ 4, 0 }, { counts.requests, counts.reuses })
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
  end)

  it("goes on after a handler has called ngx.exit, which ends what runs in the worker", function()
    scene = scenes.start {
      init = [[
        require("spec.nginx.keeper_app").new {
          on_event = function(event) if event.id == "s1" then ngx.exit(500) end end,
        }
      ]],
      http = 'init_worker_by_lua_block { assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 }) }',
    }
    local ids = { scene:add() }
    await_generations("2", ids)
    ids[2] = scene:add()
    await_generations("2 2", ids)
    local before = scene.nginx:workers()
    scene.nginx:signal "HUP"
    assert.is_true(scene.nginx:has_replaced(before))
  end)

  it("begins once nginx has a free timer, if there was none for some time", function()
    expected = "lua_max_running_timers are not enough"
    scene = scenes.start {
      locations = "location = /now { content_by_lua_block { is_time = true } }",
      http = [[
        lua_max_running_timers 1;
        init_worker_by_lua_block {
          ngx.timer.at(0, function() while not is_time do ngx.sleep(0.01) end end)
          assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 })
        }
      ]],
    }
    assert.is_true(nginx.wait_for(10, function() return select(2, scene.nginx:log():gsub(expected, "")) >= 2 end))
    scene.nginx:get "/now"
    await_generations("2", { scene:add() })
  end)

  it("goes on after an ngx.exit where no further timer could be pending when it began", function()
    scene = scenes.start {
      init = [[
        require("spec.nginx.keeper_app").new {
          on_event = function(event) if event.id == "s1" then ngx.exit(500) end end,
        }
      ]],
      http = [[
        lua_max_pending_timers 2;
        init_worker_by_lua_block {
          ngx.timer.at(0.1, function() end)
          assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 })
        }
      ]],
    }
    local ids = { scene:add() }
    await_generations("2", ids)
    ids[2] = scene:add()
    await_generations("2 2", ids)
  end)

  it("tells where to call it, in init_by_lua, which has no timers", function()
    scene = scenes.start {
      init = 'start_result, start_error = require("spec.nginx.keeper_app").keeper:start()',
      locations = 'location = /told { content_by_lua_block { ngx.print(tostring(start_result), " ", tostring(start_error)) } }',
    }
    local told = scene.nginx:get "/told"
    assert.truthy(told:find "^nil .*call keeper:start in init_worker_by_lua", told)
  end)

  it("tells the same in exit_worker_by_lua", function()
    scene = scenes.start { http = [[
      exit_worker_by_lua_block {
        local _, err = require("spec.nginx.keeper_app").keeper:start()
        ngx.log(ngx.NOTICE, "told ", tostring(err))
      }
    ]] }
    assert.is_true(scene:ask("/get?id=" .. scene:add()).ok) -- in a timer: an exiting worker makes no first one
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
    assert.truthy(scene.nginx:log():find "told [^\n]*call keeper:start in init_worker_by_lua")
  end)
end)
