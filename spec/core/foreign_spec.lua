-- Foreign text in grid.core: its visible form, and its common substrings with other
-- texts.

local core = require "grid.core"
local rig = require "spec.support.rig"

describe("grid.core", function()
  before_each(rig.mark)
  after_each(rig.assert_nothing_left)

  it("gives visible text back as it is", function()
    for _, text in ipairs { "", "plain", "caf\195\169", ("x"):rep(100000) } do
      assert.equal(text, core.visible(text))
      assert.equal(text, core.visible_json(text))
    end
  end)

  it("makes other text visible, of any length", function()
    assert.equal("a b", core.visible "a\r\n\0\194\155b")
    assert.equal("ab", core.visible "\239\187\191a\226\128\174b")
    assert.equal("a\239\191\189", core.visible "a\255")
    assert.equal(("\239\191\189"):rep(100000), core.visible(("\255"):rep(100000)))
    assert.equal('["\\u009b\\u202e"]', core.visible_json '["\194\155\226\128\174"]')
    assert.equal(("\\udb40\\udc41"):rep(50000), core.visible_json(("\243\160\129\129"):rep(50000)))
  end)

  it("finds what a text has in common with others", function()
    assert.is_true(core.overlaps("id-secret12", 8, "other", "secret12"))
    assert.is_false(core.overlaps("id-secret12", 8, "other", "secret1"))
    assert.is_false(core.overlaps("id-secret12", 8))
  end)

  it("refuses what is no text, and a length that is out of range", function()
    assert.has_error(function() core.visible() end)
    assert.has_error(function() core.visible {} end)
    assert.has_error(function() core.visible_json(nil) end)
    for _, size in ipairs { 3, 65, -1 } do
      assert.has_error(function() core.overlaps("text", size, "text") end)
    end
    assert.has_error(function() core.overlaps("text", 4, {}) end)
  end)
end)
