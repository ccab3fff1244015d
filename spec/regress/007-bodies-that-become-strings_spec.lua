-- LuaJIT interns strings, and hashes a few bytes of each, which the bodies of one service
-- have in common: each new body was compared with all that were not collected yet. A body
-- that can be decoded is no longer made a string.

local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

describe("the body of an answer", function()
  local server, methods, body, asked

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)

  before_each(function()
    rig.mark()
    methods = debug.getregistry()["grid.core.bytes"].__index
    body, asked = methods.string, 0
    methods.string = function(self)
      asked = asked + 1
      return body(self)
    end
  end)

  after_each(function()
    methods.string = body
    rig.assert_nothing_left()
  end)

  it("becomes no string where it is understood", function()
    local client = rig.client(server)
    local res = assert(client:refresh_session(rig.request(server)))
    assert.equal("string", type(res.kms_payload_json))
    assert.equal(0, asked)
    assert.equal(res.headers["content-length"], tostring(#res.body)) -- where it is asked for, it does
    client:close()
  end)

  it("becomes one where the caller may want to read it", function()
    local client = rig.client(server)
    server:fault { kind = "status", status = 500 }
    local _, err = client:refresh_session(rig.request(server))
    assert.equal("api", err.kind)
    assert.equal(1, asked)
    client:close()
  end)
end)
