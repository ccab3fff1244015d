-- What a keeper and its store remember so that the same work is not done twice, and that
-- they see what other processes have changed.

local child = require "spec.support.child"
local core = require "grid.core"
local grid = require "grid"
local records = require "grid.keeper.record"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, other

local function start(given)
  server = rig.server()
  keeper = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  if other then other:close() end
  rig.close(keeper, server)
  keeper, server, other = nil, nil, nil
  rig.finish()
end)

describe("a keeper", function()
  it("does not decode a record again whose rev has not changed", function()
    start()
    local function work()
      assert(keeper:add("me", rig.TOKENS))
      for _ = 1, 3 do assert(keeper:refresh "me") end
    end
    assert.equal(0, rig.calls_of(records, "unpack", work))
  end)

  it("decodes a record that another keeper has changed", function()
    start()
    other = rig.keeper(server, { store = keeper.store })
    assert(keeper:add("me", rig.TOKENS))
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal(1, rig.calls_of(records, "unpack", function()
      assert.equal("access-2", assert(keeper:refresh "me").access_token)
    end))
    assert.equal("access-3", assert(other:refresh "me").access_token)
    rig.pass(6)
    assert.equal("access-3", assert(keeper:get "me").access_token)
  end)

  -- As log_by_lua of nginx, where no socket can be used.
  describe("where a caller cannot wait, and the store fails for that reason", function()
    local cannot_wait, store

    before_each(function()
      cannot_wait, store, server = false, grid.store.memory(), rig.server()
      local function unless_disabled(method, ...)
        if cannot_wait then return nil, "API disabled" end
        return method(...)
      end
      keeper = rig.keeper(server, {
        store = rig.spoiled(store, { get = unless_disabled, list = unless_disabled }),
        host = { name = "raw", now = server.host.now, sleep = server.host.sleep, obstacle = function()
          return cannot_wait and "not in this phase" or nil
        end },
      })
      other = rig.keeper(server, { store = store })
      assert(keeper:add("me", rig.TOKENS))
      assert(other:add("you", rig.TOKENS))
    end)

    it("compares a session with the store as soon as it can", function()
      assert(other:remove "me")
      rig.pass(6)
      cannot_wait = true
      assert.equal("access-0", assert(keeper:get "me").access_token)
      cannot_wait = false
      assert.equal("not_found", select(2, keeper:get "me").code)
    end)

    it("tells that the caller cannot wait, with the failure of the store as the cause", function()
      cannot_wait = true
      for _, method in ipairs { "get", "status", "list", "remove" } do
        local ok, err = keeper[method](keeper, method ~= "list" and "you" or nil)
        assert.is_nil(ok)
        assert.same({ "request", "cannot_wait", "store_failed" }, { err.kind, err.code, err.cause.code }, method)
        assert.matches("not in this phase.*API disabled", tostring(err))
      end
      cannot_wait = false
      assert.equal("access-0", assert(keeper:get "you").access_token)
    end)
  end)

  it("compares a session in memory with an unchanged file without reading that", function()
    local folder, time = child.folder(), os.time
    start { store = grid.store.file { directory = folder.path .. "/sessions" } }
    other = rig.keeper(server, { store = grid.store.file { directory = folder.path .. "/sessions" } })
    assert(keeper:add("me", rig.TOKENS))
    os.time = function() return time() + 10 end -- luacheck: ignore 122
    local function recheck()
      rig.pass(6)
      return rig.calls_of(core, "file_read", function() assert(keeper:get "me") end)
    end
    local reads = { recheck(), recheck(), recheck() }
    os.time = time -- luacheck: ignore 122
    assert.same({ 1, 0, 0 }, reads)
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal(1, recheck())
    assert.equal("access-1", assert(keeper:get "me").access_token)
    folder:remove()
  end)

  it("asks the store for the record if that cannot tell whether it is unchanged", function()
    local store = grid.store.memory()
    start { store = store }
    assert(keeper:add("me", rig.TOKENS))
    for _, answer in ipairs { error, function() return nil end, function() return false, "same" end } do
      store.is_unchanged = answer
      rig.pass(6)
      assert.equal(1, rig.calls_of(store, "get", function() assert(keeper:get "me") end))
    end
  end)

  -- A keeper, and another one with the same store. -> the store, which counts its calls
  local function start_two()
    local inner = grid.store.memory()
    local store = rig.spoiled(inner, {})
    start { store = store, recheck = 7200 }
    other = rig.keeper(server, { store = inner })
    assert(keeper:add("me", rig.TOKENS))
    store.calls.get = 0
    return store
  end

  it("refreshes a record that it knows without reading it", function()
    local store = start_two()
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    rig.pass(3601) -- its session has ended
    assert.equal("access-2", assert(keeper:get "me").access_token)
    assert.same({ 0, 2 }, { store.calls.get, #server.raw.requests })
  end)

  it("reads a record that another keeper has refreshed, and refreshes it once more if asked to", function()
    local store = start_two()
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal("access-2", assert(keeper:refresh "me").access_token)
    assert.same({ 1, 2 }, { store.calls.get, #server.raw.requests })
  end)

  it("refreshes a session once more that another keeper has refreshed, though its record is not kept", function()
    start_two()
    for i = 1, 1001 do assert(keeper:add("session " .. i, rig.TOKENS)) end
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal("access-2", assert(keeper:refresh "me").access_token)
  end)

  it("takes the session that another keeper has refreshed, if its own has ended", function()
    local store = start_two()
    rig.pass(3601)
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.same({ 1, 1 }, { store.calls.get, #server.raw.requests })
  end)

  it("saves the answer to a refresh though the record was written meanwhile", function()
    local inner, puts = grid.store.memory(), 0
    start {
      store = rig.spoiled(inner, {
        put = function(put, id, rev, ...)
          puts = puts + 1
          if puts == 3 then assert(inner:put(id, rev, (inner:get(id)))) end
          return put(id, rev, ...)
        end,
      }),
    }
    assert(keeper:add("me", rig.TOKENS))
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    keeper.entries = {}
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("sends nothing if another keeper has changed the record, and that cannot be read", function()
    local inner, is_failing = grid.store.memory(), false
    start { store = rig.spoiled(inner, { get = function(get, id) if is_failing then return nil, "EIO" end return get(id) end }) }
    other = rig.keeper(server, { store = inner })
    assert(keeper:add("me", rig.TOKENS))
    assert(other:refresh "me")
    is_failing = true
    assert.is_nil((keeper:refresh "me"))
    assert.equal(1, #server.raw.requests)
    is_failing = false
  end)

  -- A `get` of a store that reads the record, and answers once it is resumed.
  local function begin_get()
    local store = keeper.store
    local get = store.get
    function store:get(id)
      local blob, rev = get(self, id)
      coroutine.yield()
      return blob, rev
    end
    local thread = coroutine.create(function() return keeper:get "me" end)
    assert(coroutine.resume(thread))
    store.get = get
    return thread
  end

  local function assert_seen(is_known, edit, expected)
    start { recheck = 60 }
    assert(keeper:add("me", rig.TOKENS))
    if is_known then rig.pass(61) else keeper.entries = {} end
    local thread = begin_get()
    assert(edit())
    assert(coroutine.resume(thread))
    assert.equal("dead", coroutine.status(thread))
    local session, err = keeper:get "me"
    assert.equal(expected, session and session.generation or err.code)
    rig.close(keeper, server)
  end

  it("does not serve again a session that was removed during a read", function()
    for _, is_known in ipairs { true, false } do
      assert_seen(is_known, function() return keeper:remove "me" end, "not_found")
    end
  end)

  it("does not serve again a session that was replaced during a read", function()
    for _, is_known in ipairs { true, false } do
      assert_seen(is_known, function() return keeper:add("me", rig.TOKENS, { replace = true }) end, 2)
    end
  end)

  -- Runs `work` in a coroutine, whose put of that number yields once it is done.
  local function begin_put(number, work)
    local store, puts = keeper.store, 0
    local put = store.put
    function store:put(...)
      local rev, err = put(self, ...)
      puts = puts + 1
      if puts == number then coroutine.yield() end
      return rev, err
    end
    local thread = coroutine.create(work)
    assert(coroutine.resume(thread))
    assert.equal(number, puts)
    store.put = put
    return thread
  end

  local function finish(thread)
    assert(coroutine.resume(thread))
    assert.equal("dead", coroutine.status(thread))
  end

  local function assert_not_found(one)
    local session, err = one:get "me"
    assert.is_nil(session)
    assert.equal("not_found", err.code)
  end

  it("does not serve again a session that was replaced while its refresh was saved", function()
    start { recheck = 60 }
    assert(keeper:add("me", rig.TOKENS))
    local thread = begin_put(2, function() return keeper:refresh "me" end)
    assert.equal(3, assert(keeper:add("me", rig.TOKENS, { replace = true })).generation)
    finish(thread)
    assert.equal(3, assert(keeper:get "me").generation)
  end)

  it("does not serve again a session that was removed while it was added", function()
    start { recheck = 60 }
    local thread = begin_put(1, function() return keeper:add("me", rig.TOKENS) end)
    assert(keeper:remove "me")
    finish(thread)
    assert_not_found(keeper)
  end)

  it("does not serve again a session that was removed while its answer left the spool", function()
    local folder, puts = child.folder(), 0
    local given = { recheck = 60, spool = folder.path .. "/spool" }
    given.store = rig.spoiled(grid.store.memory(), {
      put = function(put, ...)
        puts = puts + 1
        if puts == 3 then return nil, "EIO" end
        return put(...)
      end,
    })
    start(given)
    assert(keeper:add("me", rig.TOKENS))
    assert(keeper:refresh "me")
    other = rig.keeper(server, given)
    local thread = begin_put(1, function() return other:refresh_due() end)
    assert(other:remove "me")
    finish(thread)
    assert.same({}, other.spool:list(10))
    assert_not_found(other)
    folder:remove()
  end)

  it("decodes a record again if its store tells no rev", function()
    start { store = rig.spoiled(grid.store.memory(), { get = function(get, id) return (get(id)) end }) }
    assert(keeper:add("me", rig.TOKENS))
    assert.equal(2, rig.calls_of(records, "unpack", function()
      for _ = 1, 2 do keeper:status "me" end
    end))
  end)

  it("reads no record of the many that it remembers for a refresh", function()
    start { store = grid.store.memory(), recheck = 7200 }
    for i = 1, 1000 do assert(keeper:add("session " .. i, rig.TOKENS)) end
    assert.equal(0, rig.calls_of(keeper.store, "get", function() assert(keeper:refresh "session 1") end))
  end)

  it("reads a record that it does not remember once for a refresh", function()
    start { store = grid.store.memory() }
    for i = 1, 1001 do assert(keeper:add("session " .. i, rig.TOKENS)) end
    assert.equal(1, rig.calls_of(keeper.store, "get", function()
      assert.equal(1, rig.calls_of(records, "unpack", function() assert(keeper:refresh "session 1") end))
    end))
  end)

  it("keeps no large record, as those are with answers that could not be read", function()
    start()
    assert(keeper:add("me", { access_token = "a", refresh_token = "me-0", id_token = ("x"):rep(40000), expires_in = 3600 }))
    for _ = 1, 2 do
      assert.equal(1, rig.calls_of(records, "unpack", function() assert(keeper:status "me") end))
    end
    assert.equal(1, rig.calls_of(records, "unpack", function() assert(keeper:refresh "me") end))
    assert.equal(0, rig.calls_of(records, "unpack", function() assert(keeper:refresh "me") end)) -- it is small now
  end)

  it("keeps a limited number of decoded records, and none of a session that was removed", function()
    start()
    for i = 1, 1001 do assert(keeper:add("session " .. i, rig.TOKENS)) end
    assert.equal(1, rig.calls_of(records, "unpack", function() keeper:status "session 1" end))
    local kept = setmetatable({}, { __mode = "v" })
    local pack = records.pack
    records.pack = function(record, ...)
      kept[#kept + 1] = record
      return pack(record, ...)
    end
    assert(keeper:refresh "session 2")
    records.pack = pack
    assert(keeper:remove "session 2")
    for _ = 1, 2 do collectgarbage() end
    assert.is_nil(next(kept))
  end)
end)
