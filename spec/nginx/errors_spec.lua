-- Errors such as "not enough memory" inside nginx, in coroutines that serve other ones:
-- the loops of a keeper, refreshes, detached calls. None of them may leave a caller that
-- waits, or end its service, for the life of the worker.

local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.keeper_scene"

local FAIL = "location = /fail { content_by_lua_block { has_failed = false } }"

describe("an error inside nginx", function()
  local scene

  after_each(function()
    local problem = scene and scene:stop()
    scene = nil
    assert.is_nil(problem)
  end)

  it("in the loop that takes the results of the disk delays a refresh, and no more", function()
    scene = scenes.start { locations = FAIL, init = [[
      local host = require "grid.host.nginx"
      local new = host.poller
      has_failed = true
      host.poller = function(polled)
        local poller = new(polled)
        if not polled.tickets or has_failed then return poller end
        has_failed = true
        return { wait = function() error "no memory" end, wake = function() end, close = function() poller:close() end }
      end
    ]] }
    local id = scene:add(3600)
    for generation = 2, 4 do
      scene.nginx:get "/fail"
      assert.equal(generation, scene:ask("/refresh?timeout=5&id=" .. id).generation)
      assert(scene:idle_counters())
    end
    assert.equal(3, select(2, scene.nginx:log():gsub("no memory", "")))
  end)

  it("at the beginning of a refresh ends that one, and not those that follow", function()
    scene = scenes.start { init = [[
      local host = require "grid.host.nginx"
      local new = host.witness
      host.witness = function()
        host.witness = new
        error "no memory"
      end
    ]] }
    local id = scene:add()
    local first = scene:ask("/refresh?timeout=5&id=" .. id)
    assert.same({ "store", "store_failed" }, { first.kind, first.code })
    assert.equal(2, scene:ask("/refresh?timeout=5&id=" .. id).generation)
  end)

  it("at the beginning of a detached call is raised, and the caller does not wait for ever", function()
    scene = scenes.start { locations = [[
      location = /send {
        content_by_lua_block {
          local app, grid = require "spec.nginx.keeper_app", require "grid"
          local host = require "grid.host.nginx"
          local new = host.witness
          host.witness = function()
            host.witness = new
            error "no memory"
          end
          local client = grid.new { api_key = "k", base_url = "http://127.0.0.1:@PORT@", environment = "sandbox" }
          local ok, problem = pcall(client.request, client, "GET", "/x", nil, { detached = true })
          app.say { ok = ok, problem = tostring(problem) }
        }
      }]] }
    local said = scene:ask("/send", "--max-time 5")
    assert.is_false(said.ok)
    assert.matches("no memory", said.problem)
  end)

  it("of ngx.timer.at is told by keeper:start, with the directive that limits timers", function()
    scene = scenes.start {
      http = [[
        lua_max_pending_timers 1;
        init_worker_by_lua_block {
          ngx.timer.at(600, function() end)
          local _, err = require("spec.nginx.keeper_app").keeper:start()
          start_error = tostring(err)
        }
      ]],
      locations = "location = /told { content_by_lua_block { ngx.print(start_error) } }",
    }
    local told = scene.nginx:get "/told"
    assert.matches("no_background.*since nginx has no free timer.*lua_max_pending_timers", told)
  end)

  it("of a handler that calls ngx.exit does not end the rounds, where nginx has no free timer either", function()
    scene = scenes.start {
      init = [[
        require("spec.nginx.keeper_app").new {
          on_event = function(event) if event.id == "s1" then ngx.exit(500) end end,
        }
      ]],
      http = [[
        lua_max_pending_timers 2; # one of them is the clock of the rounds
        init_worker_by_lua_block {
          ngx.timer.at(600, function() end)
          assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 })
        }
      ]],
    }
    for i = 1, 2 do
      local id = scene:add()
      assert.is_true(nginx.wait_for(10, function() return assert(scene:keeper():status(id)).generation == 2 end), i)
    end
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
  end)

  it("in the loop of keeper:start does not end the rounds", function()
    scene = scenes.start { locations = FAIL, http = [[
      init_worker_by_lua_block {
        local host = require "grid.host.nginx"
        local new = host.condition
        has_failed = true
        host.condition = function()
          if has_failed then return new() end
          has_failed = true
          error "no memory"
        end
        assert(require("spec.nginx.keeper_app").keeper:start { every = 0.1 })
      }
    ]] }
    scene.nginx:get "/fail"
    assert.is_true(nginx.wait_for(10, function() return scene.nginx:log():find("no memory", 1, true) end))
    local id = scene:add()
    assert.is_true(nginx.wait_for(10, function() return assert(scene:keeper():status(id)).generation == 2 end))
  end)
end)
