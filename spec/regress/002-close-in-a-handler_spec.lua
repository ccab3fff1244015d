-- A handler of the `request` event that closed the client made the call raise an internal
-- error. Now the call ends as `cancelled`.

local rig = require "spec.support.rig"

describe("a client that is closed by a handler", function()
  local server = rig.sandbox()

  local function closing_client(name, given)
    local client
    given = given or {}
    given.on_event = function(event)
      if event.name == name then client:close() end
    end
    client = rig.client(server, given)
    return client
  end

  it("before the request leaves: nothing is sent", function()
    local res, err = closing_client("request"):refresh_session(rig.request(server))
    assert.is_nil(res)
    rig.assert_error(err, { kind = "cancelled", code = "client_closed", sent = "no" })
    assert.equal(0, server:stats().requests)
  end)

  it("when the answer is there: the answer counts", function()
    local res = assert(closing_client("response"):refresh_session(rig.request(server)))
    assert.equal(200, res.status)
  end)

  it("while it waits for a further try: no further try", function()
    server:fault { kind = "status", status = 503 }
    local res, err = closing_client("retry", { retries = 2 }):refresh_session(rig.request(server))
    assert.is_nil(res)
    rig.assert_error(err, { kind = "cancelled", sent = "yes", attempts = 1 })
    assert.equal(1, server:stats().requests)
  end)

  it("before the second try leaves: no second try, and the first is not forgotten", function()
    server:fault { kind = "status", status = 503 }
    local client
    client = rig.client(server, { retries = 2, on_event = function(event)
      if event.name == "request" and event.attempt == 2 then client:close() end
    end })
    local _, err = client:refresh_session(rig.request(server))
    rig.assert_error(err, { kind = "cancelled", sent = "yes" })
    assert.equal(1, server:stats().requests)
  end)

  it("with others in the air: they end as cancelled, and what had been answered is kept", function()
    local requests = {}
    for i = 1, 5 do
      local payload, privy = rig.session(server)
      requests[i] = rig.request(server, payload)
      if i > 1 then server:fault { kind = "delay", delay = 0.3, session = privy.refresh_token } end
    end
    local results = closing_client "response":refresh_sessions(requests)
    assert.is_truthy(results[1][1], tostring(results[1][2]))
    for i = 2, 5 do rig.assert_error(results[i][2], { kind = "cancelled", sent = "unknown" }) end
  end)
end)
