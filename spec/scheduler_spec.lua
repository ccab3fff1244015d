-- A scheduler and its calls: an error that one call raises loses no answer of another
-- call.

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
end)
