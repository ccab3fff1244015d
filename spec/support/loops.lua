-- Programs with an event loop, for specs: how each starts a coroutine, sleeps, and runs
-- until all coroutines have ended.
-- Does not know: what the coroutines do.

local loops = {
  luv = function()
    local uv = require "luv"
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

return loops
