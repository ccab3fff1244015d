-- An answer without a length ends with its connection. If TCP ends without TLS
-- (close_notify), the answer may have been cut on its way: libcurl 7.88 took it as whole.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local rig = require "spec.support.rig"

describe("an answer", function()
  local server

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  -- The engine has ended before the next call, which could reuse a connection that ends.
  before_each(rig.mark)
  after_each(rig.assert_nothing_left)

  local BODY = '{"data":{"method":"POST"}}'

  local function post(path)
    local http = grid.http.new { base_url = server.rawhttps, ca_file = server.ca, retries = 0 }
    local answer, err = http:send { method = "POST", url = path, body = "{}" }
    http:close()
    return answer, err
  end

  it("without a length is whole, if TLS ends with it", function()
    assert.equal(BODY, assert(post "/open/end").body)
  end)

  it("without a length is broken off, if TCP alone ends", function()
    local answer, err = post "/open/sever"
    assert.is_nil(answer)
    rig.assert_error(err, { kind = "network", code = "connection_lost", sent = "yes", status = 200, outcome = "unknown" })
    assert.equal(BODY, err.body)
  end)

  for _, framing in ipairs { "length", "chunked" } do
    it(("with a length (%s) is whole in any case"):format(framing), function()
      assert.equal(BODY, assert(post(("/%s/sever"):format(framing))).body)
    end)
  end
end)
