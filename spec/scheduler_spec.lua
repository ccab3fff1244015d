-- A scheduler and its calls: an error that one call raises loses no answer of another
-- call; a scheduler that waits wakes the driver only if that has to step.

local event_loop = require "grid.http.event_loop"
local http = require "grid.http"
local scheduler = require "grid.http.scheduler"

describe("a scheduler", function()
  -- A scheduler whose calls have all finished. `conclude` is what each call does with its
  -- answer.
  local function finished_scheduler(conclude)
    local done = {}
    local one = scheduler.new({ host = { now = os.time } }, 3, function(call) done[#done + 1] = call end)
    one.engine = { is_usable = function() return true end }
    one.active = 3
    for i = 1, 3 do
      local call = {
        id = i, scheduler = one, transfer = { close = function() end }, conclude = conclude,
        fail = function(self, err) self.err = err end,
      }
      one.calls[i], one.finished[i] = call, call
    end
    return one, done
  end

  it("reads the answer of each finished call, and then raises what one of them raised", function()
    local one, done = finished_scheduler(function(call)
      if call.id == 1 then error({ "interrupted" }, 0) end
      call.res = call.id
    end)
    local ok, problem = pcall(one.advance, one)
    assert.is_false(ok)
    assert.same({ "interrupted" }, problem)
    assert.equal(3, #done)
    assert.same({ nil, 2, 3 }, { done[1].res, done[2].res, done[3].res })
    assert.same({ "protocol", "not_read", "yes" }, { done[1].err.kind, done[1].err.code, done[1].err.sent })
    assert.is_nil(one:advance()) -- it is over
  end)

  it("keeps a result that was read before something raised", function()
    local one, done = finished_scheduler(function(call)
      call.res = call.id
      error "late"
    end)
    assert.error(function() one:advance() end)
    assert.same({ 1, 2, 3 }, { done[1].res, done[2].res, done[3].res })
    assert.is_nil(done[1].err)
  end)

  -- As the driver does when nginx has ended the coroutine of a detached call, which the
  -- caller continues.
  it("runs no other call once its coroutine was ended", function()
    for name, is_kept in pairs { mark_abandoned = false, is_over = true } do
      local client
      client = http.new { base_url = "http://127.0.0.1:1", retries = 0, on_event = function(event)
        if event.name ~= "response" then return end
        for one in pairs(client.schedulers) do one[name](one) end
      end }
      assert.is_nil((client:send { method = "GET", url = "/" }))
      assert.equal(is_kept and 1 or 0, #client.spare, name)
      client:close()
    end
  end)
end)

describe("a scheduler that waits in an event loop", function()
  -- A waiter whose driver waits, and has not stepped since. `engine.due` is the engine's
  -- timeout, `engine.due_after` that after a step.
  local function waiter()
    local wakes, steps = {}, 0
    local engine = { due = 5, due_after = 5 }
    function engine.timeout() return engine.due end
    function engine.step() steps, engine.due = steps + 1, engine.due_after end
    function engine.next_finished() return nil end
    local host = {
      linger = 0.1,
      poller = function()
        return {
          wait = function() coroutine.yield() end, close = function() end,
          wake = function(_, seconds) wakes[#wakes + 1] = seconds end,
        }
      end,
      spawn = function(f, ...)
        return coroutine.resume(coroutine.create(f), ...)
      end,
    }
    local condition = { wait = function() end, is_abandoned = function() return false end }
    local one = {
      host = host, engine = engine, needs_step = function() return true end, condition_of = function() return condition end,
    }
    event_loop.wait(one, 1)
    return one, engine, wakes, function() return steps end
  end

  it("steps itself if a step is due at once", function()
    local one, engine, wakes, steps = waiter()
    engine.due = 0
    event_loop.wait(one, 1)
    assert.equal(1, steps())
    assert.same({ 0.1, 5, 0.1 }, wakes)
  end)

  it("leaves steps to the driver after some in a row", function()
    local one, engine, _, steps = waiter()
    engine.due, engine.due_after = 0, 0
    for _ = 1, 20 do event_loop.wait(one, 1) end
    assert.equal(16, steps())
  end)
end)
