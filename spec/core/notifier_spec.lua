-- The notifier of the core, through Lua: datagrams to a socket of luasocket.

local core = require "grid.core"
local rig = require "spec.support.rig"
local socket = require "socket"

local SECRET = ("s"):rep(16)

describe("a notifier", function()
  local notifier, receiver, writer

  before_each(function()
    rig.mark()
    notifier, receiver, writer = assert(core.notifier(SECRET)), socket.udp(), assert(core.writer())
    receiver:settimeout(60)
    receiver:setpeername("127.0.0.1", notifier:port())
  end)

  after_each(function()
    notifier:close()
    receiver:close()
    writer:close()
    rig.assert_nothing_left()
  end)

  -- A file that is not there is removed: that fails at once, and the descriptor is ready.
  local function make_ready()
    assert(writer:remove_if("/nonexistent/lua-grid", "x"))
  end

  it("tells the socket that knows the secret when the descriptor is ready", function()
    receiver:send(SECRET)
    assert.is_true(notifier:arm(writer:fd(), 60))
    make_ready()
    assert.equal("\0", receiver:receive())
  end)

  it("tells it when the time is over, and at once when asked to", function()
    receiver:send(SECRET)
    assert.is_true(notifier:arm(writer:fd(), 0.01))
    assert.equal("\0", receiver:receive())
    notifier:send()
    assert.equal("\0", receiver:receive())
  end)

  it("tells no other", function()
    receiver:send(("x"):rep(16))
    assert.is_false(notifier:arm(writer:fd(), 0))
    notifier:send()
    receiver:settimeout(0.02)
    assert.is_nil((receiver:receive()))
  end)

  it("refuses a secret of another length", function()
    assert.error_matches(function() core.notifier "short" end, "must have 16 bytes")
  end)

  it("refuses everything once it is closed, and may be closed again", function()
    notifier:close()
    notifier:close()
    for _, method in ipairs { "port", "arm", "send" } do
      local ok, problem = pcall(notifier[method], notifier, 0, 0)
      assert.is_false(ok)
      assert.truthy(problem:find("the notifier is closed", 1, true))
    end
  end)

  it("ends with the collector", function()
    local function collected() for _ = 1, 3 do collectgarbage() end return core.live() end
    local before = collected()
    assert(core.notifier(SECRET))
    assert.equal(before + 1, core.live())
    assert.equal(before, collected())
  end)
end)
