-- What an exchange, a schedule, a store in a folder and the identity of a process compute
-- once, or remember, for several refreshes.

local child = require "spec.support.child"
local clock = require "grid.keeper.clock"
local core = require "grid.core"
local grid = require "grid"
local rig = require "spec.keeper.keeper_rig"
local timing = require "grid.keeper.timing"

local server, keeper

local function start(given)
  server = rig.server()
  keeper = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  keeper, server = nil, nil
  rig.finish()
end)

describe("an exchange", function()
  it("encodes the secret of its client once", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    assert.equal(1, rig.calls_of(core, "base64url_encode", function()
      for _ = 1, 2 do assert(keeper:refresh "me") end
    end))
  end)
end)

describe("the identity of a process", function()
  it("names the keeper that asks", function()
    assert.equal("one", clock.identity "one".instance)
    assert.equal("two", clock.identity "two".instance)
    assert.equal("one", clock.identity "one".instance)
  end)
end)

describe("a schedule", function()
  it("is computed once for each generation", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    assert.equal(3, rig.calls_of(core, "sha256", function()
      for _ = 1, 3 do assert(keeper:refresh "me") end
    end))
  end)

  it("is that of the id, the generation and the life, in any order", function()
    local cases = { { "a", 1, 3600 }, { "b", 1, 3600 }, { "b", 2, 3600 }, { "b", 2, 400 }, { "a", 1, 3600 } }
    local first = {}
    for i, case in ipairs(cases) do first[i] = timing.schedule(case[1], case[2], case[3]).advisory end
    assert.equal(first[1], first[5])
    for i = 1, 3 do assert.not_equal(first[i], first[i + 1]) end
  end)
end)

describe("a store in a folder", function()
  it("remembers no stamp of a record that was removed", function()
    local folder = child.folder()
    local store, time = grid.store.file { directory = folder.path .. "/sessions" }, os.time
    local rev = assert(store:put("a", nil, "blob"))
    os.time = function() return time() + 10 end -- luacheck: ignore 122
    local is_unchanged = store:is_unchanged("a", rev) or store:get "a" and store:is_unchanged("a", rev)
    os.time = time -- luacheck: ignore 122
    assert.is_true(is_unchanged)
    assert.is_true(store:remove("a", rev))
    assert.is_nil(next(store.stamps))
    folder:remove()
  end)

  it("computes the name of a file once", function()
    local folder = child.folder()
    local store = grid.store.file { directory = folder.path .. "/sessions" }
    assert.equal(2, rig.calls_of(core, "hmac_sha256", function()
      for _ = 1, 2 do
        for _, id in ipairs { "one", "two" } do assert(store:put(id, select(2, store:get(id)), id)) end
      end
    end))
    for i = 1, 1100 do assert.is_nil((store:get("id " .. i))) end
    assert.same({ "one", "two" }, { (store:get "one"), (store:get "two") })
    folder:remove()
  end)
end)
