-- grid.refresh_session: the clients that it makes and remembers, and its options.

local rig = require "spec.support.rig"

local assert_error, assert_misuse = rig.assert_error, rig.assert_misuse

describe("grid.refresh_session", function()
  local module
  local function forget() module, package.loaded["grid.api.clients"] = nil, nil end
  local server = rig.sandbox(forget)

  before_each(function()
    forget() -- those of the program's own module
    module = rig.fresh "grid"
  end)

  local function options(given)
    return rig.options(server, given)
  end

  it("is client:refresh_session on a client that is made once per set of options", function()
    local made = spy.on(require "grid.api.client", "new")
    for _ = 1, 5 do
      assert(module.refresh_session(rig.request(server), options()))
      collectgarbage()
    end
    made:revert()
    assert.spy(made).was.called(1)
    assert.equal(5, server:stats().requests)
    assert.equal(1, server:stats().connections)
  end)

  it("takes the options of the call along", function()
    local res = assert(module.refresh_session(rig.request(server), options { idempotency_key = "mine" }))
    assert.equal("mine", res.idempotency_key)
    local _, privy = rig.session(server)
    local by_cookie = { encryption_public_key = rig.KEY }
    assert(module.refresh_session(by_cookie, options { cookie = "grid_session=" .. privy.refresh_token }))
    server:fault { kind = "delay", hold = true }
    local _, err = module.refresh_session(rig.request(server), options { timeout = 0.1 })
    assert_error(err, { kind = "timeout" })
  end)

  it("keeps clients with other options apart", function()
    assert(module.refresh_session(rig.request(server), options { environment = "devnet" }))
    assert.equal("devnet", server:last().headers["x-grid-environment"])
    assert(module.refresh_session(rig.request(server), options { environment = "mainnet" }))
    assert.equal("mainnet", server:last().headers["x-grid-environment"])
    local _, err = module.refresh_session(rig.request(server), options { api_key = "another" })
    assert_error(err, { kind = "auth", status = 401 })
    local seen = {}
    for i = 1, 2 do
      assert(module.refresh_session(rig.request(server), options { on_event = function() seen[i] = true end }))
    end
    assert.same({ true, true }, seen)
  end)

  it("takes options from the environment, as they are when it is called", function()
    local variables = { GRID_BASE_URL = server.http, GRID_API_KEY = "wrong" }
    stub(os, "getenv", function(name) return variables[name] end)
    local _, err = module.refresh_session(rig.request(server))
    variables.GRID_API_KEY = server.api_key
    local res = module.refresh_session(rig.request(server))
    os.getenv:revert() -- luacheck: ignore 143
    assert_error(err, { kind = "auth" })
    assert.is_truthy(res)
  end)

  it("resolves options once that are the same in the next call, and checks those of the call", function()
    local resolve = spy.on(require "grid.api.options", "resolve")
    local function call(given) return module.refresh_session(rig.request(server), options(given)) end
    assert(call { timeout = 9 })
    resolve:clear()
    assert.equal("mine", assert(call { idempotency_key = "mine" }).idempotency_key)
    assert.spy(resolve).was.called(0)
    assert_misuse(function() call { retries = -1 } end, "grid.refresh_session: 'retries' must be")
    assert_misuse(function() call { retrys = 1 } end, "grid.refresh_session: unknown field 'retrys', did you mean 'retries'?")
    assert_misuse(function() call { user_agent = "" } end, "grid.refresh_session: 'user_agent' must be")
    assert(call { user_agent = "another" })
    assert.spy(resolve).was.called()
    resolve:revert()
  end)

  it("checks the functions of a host in each call", function()
    local host = { name = "test", now = require("grid.core").now, sleep = function() end }
    assert(module.refresh_session(rig.request(server), options { host = host }))
    host.sleep = nil
    assert_misuse(function() module.refresh_session(rig.request(server), options { host = host }) end, "host: ")
  end)

  it("can be called with more sets of options than it remembers", function()
    for i = 1, 40 do
      assert(module.refresh_session(rig.request(server, (rig.session(server))), options { user_agent = "agent-" .. i }))
    end
  end)

  it("raises at the line of its caller", function()
    assert_misuse(function() module.refresh_session({}, options()) end,
      "grid.refresh_session: field 'encryption_public_key' is missing")
    assert_misuse(function() module.refresh_session(rig.request(server, "{}"), { timout = 1 }) end, "did you mean 'timeout'?")
    assert_misuse(function() module.refresh_session(rig.request(server, "{}"), { cooky = "a" }) end, "did you mean 'cookie'?")
    assert_misuse(function() module.refresh_session(rig.request(server, "{}"), "text") end, "must be a table, got string")
    assert_misuse(function() module.refresh_session(rig.request(server, "{}"), { base_url = "http://example.com" }) end,
      "'base_url' must be")
  end)
end)
