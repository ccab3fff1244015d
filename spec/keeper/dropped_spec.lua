-- Answers that the store of a keeper does not take, for sessions that are removed before
-- the answers are saved: they are dropped, and their tokens revoked.

local child = require "spec.support.child"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, events, disk, folder

local function start_failing(given)
  server, keeper, events, disk = rig.failing_store(given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  if folder then folder:remove() end
  keeper, server, events, folder = nil, nil, nil, nil
  rig.finish()
end)

describe("an answer that the store does not take", function()
  it("is dropped from memory and spool, if the session was removed meanwhile", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    disk.is_down = false
    assert.is_true(keeper:remove "me")
    keeper:refresh_due()
    assert.equal("added spooled removed dropped", rig.names(events))
    assert.same({}, keeper.spool:list(10))
  end)

  it("is given to no caller after the session was removed or replaced, although the store fails again", function()
    folder = child.folder()
    for _, is_replaced in ipairs { true, false } do
      start_failing { spool = folder.path .. "/spool" .. tostring(is_replaced) }
      assert.equal("access-1", assert(keeper:refresh "me").access_token)
      disk.is_down = false
      if is_replaced then
        assert(keeper:add("me", { access_token = "new", refresh_token = "new-0", expires_in = 3600 }, { replace = true }))
      else
        assert.is_true(keeper:remove "me")
      end
      keeper.store = rig.spoiled(keeper.store, { get = function() error "the disk fails" end })
      rig.pass(6)
      for _ = 1, 2 do
        local session = keeper:get "me"
        assert.equal(is_replaced and "new" or nil, session and session.access_token)
      end
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)

  it("is revoked by the keeper that finds it, if the session was removed meanwhile", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:add("you", { access_token = "a", refresh_token = "you-0", expires_in = 3600 }))
    assert(keeper:refresh "me")
    disk.is_down = false
    assert.is_true(keeper:remove "me")
    local revoked, store = 0, rig.spoiled(keeper.store, {})
    store.name = function() end -- no name
    local other, told = rig.keeper(server, { store = store, spool = folder.path .. "/spool" })
    other.exchange.revoke = function() revoked = revoked + 1 end
    other:refresh_due()
    assert.same({ "dropped", 1 }, { rig.names(told), revoked })
    assert.same({}, keeper.spool:list(10))
    assert.is_nil(keeper:get "me")
    other:close()
  end)

  it("is revoked later, if the server does not answer the first revocation of several", function()
    folder = child.folder()
    local port, close = raw_rig.silent_port()
    local path, revocation_url = folder.path .. "/spool", ("http://127.0.0.1:%d/revoke"):format(port)
    start_failing { spool = path }
    for i = 1, 3 do
      disk.is_down = false
      assert(keeper:add("s" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 }))
      server.faults[1] = function(self, request, execute)
        disk.is_down = true
        return execute(self, request)
      end
      assert(keeper:refresh("s" .. i))
    end
    disk.is_down = false
    for i = 1, 3 do assert.is_true(keeper:remove("s" .. i)) end
    local exchange = rig.exchange(server, { revocation_url = revocation_url })
    local other, told = rig.keeper(server, { store = keeper.store, spool = path, exchange = exchange, timeout = 0.2 })
    assert(other:refresh "me")
    assert.equal("dropped refreshed", rig.names(told))
    assert.equal(2, #other.spool:list(10))
    exchange.revoke = nil
    other:refresh_due()
    assert.equal("dropped refreshed dropped dropped", rig.names(told))
    assert.same({}, other.spool:list(10))
    other:close()
    close()
  end)

  it("is neither dropped nor revoked by a keeper whose store is empty, since it may not be mounted yet", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    disk.is_down = false
    local revoked, is_mounted = 0, false
    local other, told = rig.keeper(server, { spool = folder.path .. "/spool", store = rig.spoiled(keeper.store, {
      get = function(get, ...) if is_mounted then return get(...) end end,
      due = function(due, ...) return is_mounted and due(...) or {} end,
      list = function(list, ...) return is_mounted and list(...) or {} end,
    }) })
    other.exchange.revoke = function() revoked = revoked + 1 end
    assert(other:refresh_due())
    is_mounted = true
    assert(other:refresh_due())
    assert.same({ "adopted", 0 }, { rig.names(told), revoked })
    assert.equal("access-1", assert(other:get "me").access_token)
    other:close()
  end)

  it("is not revoked, if it brought no new refresh token", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:add("you", { access_token = "a", refresh_token = "you-0", expires_in = 3600 }))
    server.faults[1] = function()
      disk.is_down = true
      return rig.response(200, '{"access_token":"access-1"}')
    end
    assert(keeper:refresh "me")
    disk.is_down = false
    assert.is_true(keeper:remove "me")
    local revoked = 0
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other.exchange.revoke = function() revoked = revoked + 1 end
    other:refresh_due()
    assert.same({ "dropped", 0 }, { rig.names(told), revoked })
    assert.same({}, keeper.spool:list(10))
    other:close()
  end)
end)
