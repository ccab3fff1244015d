-- The keeper with Grid, on the sandbox.

local grid = require "grid"
local raw_rig = require "spec.support.rig"

describe("the keeper, with the exchange of Grid,", function()
  local server = raw_rig.sandbox()

  it("refreshes a session file, and opens its authorization key", function()
    local pair = grid.keypair()
    local saved = server:sessions({ encryption_public_key = pair.public_key })[1]
    local client = raw_rig.client(server)
    local keeper = grid.keeper { exchange = grid.exchange.grid { client = client }, store = grid.store.memory() }
    local session = assert(keeper:add("ann", {
      kms_payload = saved.kms_payload_json, private_key = pair:export(), address = saved.address,
    }))
    assert.equal(saved.kms_payload_json, session.kms_payload_json)
    local refreshed = assert(keeper:refresh "ann")
    assert.equal(2, refreshed.generation)
    assert.are_not.equal(session.kms_payload_json, refreshed.kms_payload_json)
    assert.is_table(refreshed.data.session)
    local auth = assert(refreshed:authorization_key())
    assert.is_truthy(auth.public_key)
    auth:close()
    assert.is_nil(refreshed.private_key)
    assert.equal(3, assert(keeper:refresh "ann").generation)
    local counts = server:stats()
    assert.same({ 2, 0 }, { counts.executions, counts.reuses })
    pair:close()
    keeper:close()
  end)

  it("names the request that the service has refused", function()
    local pair = grid.keypair()
    local saved = server:sessions({ encryption_public_key = pair.public_key })[1]
    local keeper = grid.keeper {
      exchange = grid.exchange.grid { client = raw_rig.client(server) }, store = grid.store.memory(),
    }
    assert(keeper:add("ann", { kms_payload = saved.kms_payload_json, private_key = pair:export() }))
    server:fault { kind = "status", status = 403 }
    local _, err = keeper:refresh "ann"
    raw_rig.assert_error(err, { kind = "auth", status = 403 })
    assert.equal("string", type(err.request_id))
    assert.equal(err.headers["x-request-id"], err.request_id)
    pair:close()
    keeper:close()
  end)
end)
