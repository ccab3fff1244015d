-- Answers that the store of a keeper does not take: they wait in memory or in the spool,
-- and are saved later.

local child = require "spec.support.child"
local core = require "grid.core"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local records = require "grid.keeper.record"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, events, folder

local function start(given)
  server = rig.server()
  keeper, events = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  if folder then folder:remove() end
  keeper, server, events, folder = nil, nil, nil, nil
  rig.finish()
end)

describe("an answer that the store does not take", function()
  local disk

  local function start_failing(given)
    server, keeper, events, disk = rig.failing_store(given)
  end

  it("stays in memory until the store is back, and is given to no caller before", function()
    start_failing()
    local _, err = keeper:refresh("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.equal("access-0", assert(keeper:get "me").access_token)
    disk.is_down = false
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
    assert.equal("added refreshed", rig.names(events))
  end)

  it("is saved when the folder of the store is back, and served before as one whose store fails", function()
    folder = child.folder()
    local directory, away = folder.path .. "/sessions", folder.path .. "/away"
    start { store = grid.store.file { directory = directory } }
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      assert(os.rename(directory, away))
      return execute(self, request)
    end
    local _, err = keeper:refresh("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "store", code = "folder_gone" })
    rig.pass(6)
    assert.equal("access-0", assert(keeper:get "me").access_token)
    assert(os.rename(away, directory))
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
    assert.equal("added refreshed", rig.names(events))
  end)

  it("is saved by close", function()
    start_failing()
    keeper:refresh("me", { timeout = 0 })
    disk.is_down = false
    local store = keeper.store
    keeper:close()
    keeper = rig.keeper(server, { store = store })
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("is saved by close, although the store fails once more", function()
    start_failing()
    keeper:refresh("me", { timeout = 0 })
    disk.is_down = false
    local failures, store = 0, keeper.store
    keeper.store = rig.spoiled(store, { put = function(put, ...)
      failures = failures + 1
      if failures < 3 then error "busy" end
      return put(...)
    end })
    keeper:close()
    keeper = rig.keeper(server, { store = store })
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("delays close for a second at most, with others", function()
    start_failing()
    for i = 1, 3 do
      disk.is_down = false
      assert(keeper:add("s" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 }))
      server.faults[1] = function(self, request, execute)
        disk.is_down = true
        return execute(self, request)
      end
      keeper:refresh("s" .. i, { timeout = 0 })
    end
    local began = core.now()
    keeper:close()
    assert.is_true(core.now() - began < 2)
  end)

  for _, keys in ipairs { "plain", "sealed" } do
    it("goes to the spool, " .. keys .. ", and is committed by the next keeper that opens the spool", function()
      folder = child.folder()
      local path = folder.path .. "/spool"
      local seal_keys = keys == "sealed" and { ("k"):rep(32) } or nil
      start_failing { spool = path, seal_keys = seal_keys }
      assert.equal("access-1", assert(keeper:refresh "me").access_token)
      assert.equal("added spooled", rig.names(events))
      local text = child.capture("cat " .. child.quote(path) .. "/*/* 2>/dev/null; true")
      assert.equal(keys == "plain", text:find("refresh-1", 1, true) ~= nil)
      rig.pass(6)
      assert.equal("access-1", assert(keeper:get "me").access_token) -- the store has the one before
      disk.is_down = false
      local other, told = rig.keeper(server, { store = keeper.store, spool = path, seal_keys = seal_keys })
      assert.equal(1, other:status "me".generation)
      other:refresh_due()
      assert.equal("adopted", rig.names(told))
      assert.equal("access-1", assert(other:get "me").access_token)
      other:close()
      assert.same({}, keeper.spool:list(10))
      rig.pass(6)
      assert.equal("access-1", assert(keeper:get "me").access_token)
      assert.same({ 1, 0 }, { server.executions, server.reuses })
    end)
  end

  it("finds a spool that it can use, or the keeper tells once that there is none", function()
    folder = child.folder()
    folder:write("file", "")
    start { spool = folder.path .. "/file/spool" }
    assert(keeper:add("me", rig.TOKENS))
    keeper:refresh_due()
    assert(keeper:refresh "me")
    assert.same({ "added failed refreshed", "store", "spool_not_read" }, { rig.names(events), events[2].kind, events[2].code })
    folder:run "rm file && mkdir file"
    keeper:refresh_due()
    assert.matches("tmp", folder:list "file/spool", 1, true)
    assert.equal("added failed refreshed", rig.names(events))
  end)

  it("lacks a spool that fails during a round of plain Lua, which the keeper reports once, with the cause", function()
    folder = child.folder()
    server = rig.process()
    local faults = {}
    keeper = rig.keeper(server, {
      host = false, spool = folder.path .. "/spool", timeout = 0.3,
      exchange = {
        name = "own", reuse = "idempotent", reuse_seconds = 60,
        request = function()
          folder:run "rm -rf spool && touch spool"
          return "POST", server.url .. "?delay=5", {}, ""
        end,
        read = function() return nil, { kind = "unknown" } end,
      },
      on_event = function(event)
        if event.code == "spool_not_read" then faults[#faults + 1] = keeper.spool_fault.message end
      end,
    })
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(3600 - 30)
    assert(keeper:refresh_due())
    assert.equal(1, #faults)
    assert(keeper:refresh_due())
    assert.equal(1, #faults)
    assert.matches("Not a directory", faults[1])
  end)

  it("is committed with the first refresh of another keeper, of whichever session", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    assert(keeper:refresh "me")
    disk.is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = path })
    assert(other:add("you", { access_token = "access-0", refresh_token = "you-0", expires_in = 3600 }))
    assert(other:refresh "you")
    assert.equal("added adopted refreshed", rig.names(told))
    other:close()
  end)

  it("is looked for in the spool before another process takes the refresh over", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    local other = rig.keeper(server, { store = keeper.store, spool = path })
    assert.equal("access-0", assert(other:get "me").access_token)
    assert.is_nil(other:refresh("none"))
    other.has_opened_spool = true
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    disk.is_down = false
    rig.pass(4000)
    assert.equal("access-2", assert(other:get "me").access_token)
    assert.same({ 2, 0 }, { server.executions, server.reuses })
    other:close()
  end)

  it("keeps another process from the refresh, as long as the store does not take it from the spool", function()
    folder = child.folder()
    local path, failures = folder.path .. "/spool", 0
    start_failing { spool = path }
    assert(keeper:refresh "me")
    disk.is_down = false
    local other, told = rig.keeper(server, { spool = path, store = rig.spoiled(keeper.store, { put = function(put, ...)
      failures = failures + 1
      if failures == 1 then error "the disk failed once" end
      return put(...)
    end }) })
    other.has_opened_spool = true
    rig.pass(4000)
    raw_rig.assert_error(select(2, other:refresh "me"), { kind = "store", code = "store_failed" })
    assert.equal(1, server.executions)
    assert.equal("access-2", assert(other:refresh "me").access_token)
    assert.same({ "failed adopted adopted refreshed", 2, 0 }, { rig.names(told), server.executions, server.reuses })
    other:close()
  end)

  it("goes to the spool, too, after the one before it was saved from there and could not be read", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    keeper:close()
    local exchange = rig.exchange(server, { reuse = "idempotent", idempotency_header = "Idempotency-Key" })
    keeper, events = rig.keeper(server, { store = keeper.store, spool = path, exchange = exchange })
    server.faults[1] = function()
      disk.is_down = true
      return rig.response(200, "<html>")
    end
    assert.is_nil(keeper:refresh "me")
    disk.is_down = false
    server.faults[1] = function(self, request, execute)
      disk.is_down = true
      return execute(self, request)
    end
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal("spooled failed replayed spooled", rig.names(events))
    disk.is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = path })
    other:refresh_due()
    assert.equal("adopted", rig.names(told))
    other:close()
  end)

  it("goes to the spool also if another keeper has saved another answer to the same token meanwhile", function()
    folder = child.folder()
    local is_down = false
    server = rig.server()
    local function given(options)
      options.exchange = rig.exchange(server, { reuse = "grace", reuse_seconds = 1000 })
      return options
    end
    local memory = grid.store.memory()
    local store = rig.spoiled(memory, { put = function(put, ...)
      if is_down then error "no space left" end
      local rev, problem = put(...)
      is_down = problem == "conflict"
      return rev, problem
    end })
    keeper, events = rig.keeper(server, given { store = store, spool = folder.path .. "/spool" })
    local other = rig.keeper(server, given { store = memory, spool = folder.path .. "/spool" })
    assert(keeper:add("me", rig.TOKENS))
    local exchange, read = keeper.exchange, keeper.exchange.read
    exchange.read = function(...)
      exchange.read = read
      rig.pass(13)
      assert(other:refresh "me")
      return read(...)
    end
    for i, name in ipairs { "first", "second" } do
      server.faults[i] = function()
        return rig.response(200, ('{"access_token":"%s","refresh_token":"%s-0","expires_in":3600}'):format(name, name))
      end
    end
    assert.equal("second", assert(keeper:refresh "me").access_token)
    assert.equal("added spooled", rig.names(events))
    other:refresh_due()
    local record = assert(records.unpack(memory:get "me", "me"))
    assert.same({ 2, "second-0", 1 }, { record.gen, record.tokens.refresh_token, #record.spares })
    assert.equal("first-0", record.spares[1].tokens.refresh_token)
    other:close()
    is_down = false
  end)

  it("is committed once from a spool that removes nothing, and keeps no refresh from its end", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    disk.is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other.spool = rig.spoiled(other.spool, { remove = function() error "the file system is read-only" end })
    other.spool.prepare, other.spool.list_readable = function() return true end, other.spool.list
    for _ = 1, 2 do other:refresh_due() end
    server.faults[1] = function() return rig.response(502, "") end
    assert.is_nil(other:refresh "me")
    rig.pass(70)
    assert.equal("access-2", assert(other:refresh "me").access_token)
    assert.equal("adopted failed suspended replayed refreshed resumed", rig.names(told))
    other:close()
  end)

  it("is found behind a thousand others that stay in the spool", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    for i = 1, 1000 do assert(keeper.spool:put(("\0%d"):format(i), nil, "not to be read")) end
    assert(keeper:refresh "me")
    disk.is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other:refresh_due()
    assert.equal("adopted", rig.names(told))
    other:close()
  end)

  it("is committed although the spool has entries that cannot be read, and these are reported once", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    assert(keeper:refresh "me")
    disk.is_down = false
    folder:run(("mkdir %s/00/%s %s/ff/%s"):format(path, ("00"):rep(32), path, ("ff"):rep(32)))
    local other, told = rig.keeper(server, { store = keeper.store, spool = path })
    for _ = 1, 2 do other:refresh_due() end
    assert.same({ "adopted failed", "spool_not_read" }, { rig.names(told), told[2].code })
    assert.same({}, (keeper.spool:list_readable(10)))
    other:close()
  end)

  it("stays in the spool, until its own keeper comes, if keepers of other stores use that folder", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    for _, given in ipairs {
      { store = grid.store.file { directory = folder.path .. "/sessions" } },
      { exchange = grid.exchange.oauth2 { token_url = "https://auth.example.org/token", client_id = "app", client_auth = "none" } },
    } do
      given.spool = folder.path .. "/spool"
      local other, told = rig.keeper(server, given)
      assert(other:add("me", rig.TOKENS))
      assert(other:refresh_due())
      assert.equal("added", rig.names(told))
      assert.equal(1, #keeper.spool:list(10))
      other:close()
    end
    disk.is_down = false
    keeper:refresh_due()
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(2, keeper:status "me".generation)
    assert.same({}, keeper.spool:list(10))
  end)
end)
