-- Programs with an event loop, for specs: how each starts a coroutine, sleeps, and runs
-- until all coroutines have ended.
-- Does not know: what the coroutines do.

-- busted empties package.loaded after each file, and a state that loads luv a second time
-- crashes.
local function require_once(name)
  local registry, key = debug.getregistry(), "spec.support.loops." .. name
  registry[key] = registry[key] or require(name)
  package.loaded[name] = registry[key]
  return registry[key]
end

local loops = {
  luv = function()
    local uv = require_once "luv"
    return {
      host = require "grid.host.luv",
      spawn = function(work) coroutine.wrap(work)() end,
      run = function() uv.run() end,
      sleep = function(seconds)
        local thread, timer = coroutine.running(), uv.new_timer()
        timer:start(math.ceil(seconds * 1000), 0, function()
          timer:close()
          assert(coroutine.resume(thread))
        end)
        coroutine.yield()
      end,
    }
  end,
  cqueues = function()
    local cqueues = require "cqueues"
    local controller = cqueues.new()
    return {
      host = require "grid.host.cqueues",
      spawn = function(work) controller:wrap(work) end,
      run = function() assert(controller:loop()) end,
      sleep = cqueues.sleep,
    }
  end,
}

local ngx = rawget(_G, "ngx")

-- Where it runs there is no other loop: that one would block it. All waits are those of
-- the host, which knows what cqueues leaves behind in ngx_lua.
local function inside_nginx()
  local host, inside = require "grid.host.nginx", require "spec.nginx.inside"
  local alive, problem = 0, nil
  local function sleep(seconds) host.condition():wait(seconds) end
  local function run_thread(work)
    local ok, raised = pcall(work)
    alive, problem = alive - 1, problem or not ok and raised
  end
  return {
    host = host, sleep = sleep,
    spawn = function(work)
      alive = alive + 1
      assert(host.spawn(run_thread, work))
    end,
    run = function()
      while alive + ngx.timer.running_count() + ngx.timer.pending_count() - inside.lasting_timers > 0 do sleep(0.001) end
      if problem then error(problem, 0) end
    end,
  }
end

return ngx and { nginx = inside_nginx } or loops
