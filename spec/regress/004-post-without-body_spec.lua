-- libcurl gave a POST without a body the type of a web form.

local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

describe("a POST without a body", function()
  local server

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)

  it("sends no content type, and that its length is 0", function()
    rig.mark()
    local client = rig.client(server)
    client:request("POST", "/anything")
    local headers = server:last().headers
    assert.is_nil(headers["content-type"])
    assert.equal("0", headers["content-length"])
    client:close()
    rig.assert_nothing_left()
  end)
end)
