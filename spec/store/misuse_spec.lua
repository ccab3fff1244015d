-- Misuse of the stores in Redis and in a shared dictionary: errors that are raised at the
-- caller's line.

local dictionary = require "spec.store.dictionary"
local grid = require "grid"
local rig = require "spec.support.rig"
local shdict = require "grid.store.shdict"

local function assert_arguments(store)
  rig.assert_misuse(function() store:get "" end, "'id' must have 1 to 255 bytes")
  rig.assert_misuse(function() store:put("a") end, "'blob' must be a string, got nil")
  rig.assert_misuse(function() store:remove "a" end, "'rev' must be a string, got nil")
  rig.assert_misuse(function() store:due() end, "'now' must be a number, got nil")
  rig.assert_misuse(function() store:list(0) end, "'limit' must be 1 or more")
end

describe("misuse of a store in a shared dictionary", function()
  it("raises for options that are not there", function()
    rig.assert_misuse(function() grid.store.shdict {} end, "grid.store.shdict: field 'dict' is missing")
    rig.assert_misuse(function() grid.store.shdict { dictionary = "x" } end, "unknown field 'dictionary'; its fields are dict")
  end)

  it("raises where there is no such dictionary", function()
    local ngx = rawget(_G, "ngx")
    rig.assert_misuse(function() grid.store.shdict { dict = "sessions" } end,
      ngx and "add 'lua_shared_dict sessions 10m;'" or "works inside nginx only")
  end)

  it("raises for arguments that no store takes", function()
    assert_arguments(shdict.over(dictionary.new(), "sessions"))
  end)
end)

describe("misuse of a store in Redis", function()
  it("raises for options that are not there", function()
    local function connect() end
    rig.assert_misuse(function() grid.store.redis {} end, "grid.store.redis: field 'connect' is missing")
    rig.assert_misuse(function() grid.store.redis { connect = connect, Release = connect } end, "did you mean 'release'")
    rig.assert_misuse(function() grid.store.redis { connect = connect, prefix = "" } end, "'prefix' must be")
    rig.assert_misuse(function() grid.store.redis { connect = connect, prefix = "a{b}" } end, "must be a string without braces")
  end)

  it("raises for arguments that no store takes", function()
    assert_arguments(grid.store.redis { connect = function() end })
  end)
end)
