-- The sandbox's own canonical JSON (RFC 8785), compared with the vectors of the RFC's
-- author, and with node for numbers.

local canonical = require "spec.sandbox.canonical"
local files = require "spec.support.files"
local peer = require "spec.sandbox.peer"

describe("the sandbox's canonical JSON", function()
  for _, name in ipairs { "arrays", "french", "structures", "unicode", "values", "weird" } do
    it("is that of the vector " .. name, function()
      assert.equal(files.load("spec/vectors/jcs/output/" .. name .. ".json"),
        canonical.text(files.load("spec/vectors/jcs/input/" .. name .. ".json")))
    end)
  end

  -- Each text is written by both, one by one to be told which differs.
  local function assert_as_node(texts)
    for i, theirs in ipairs(peer.ask("canonicalize", { texts = texts }).texts) do
      local ours = canonical.text(texts[i])
      if ours ~= theirs then assert.equal(theirs, ours, texts[i]) end
    end
  end

  it("writes numbers as node does: edges", function()
    assert_as_node {
      "0", "-0", "-0.0", "1", "-1", "1E3", "1.50", "4.35", "1e20", "1e21", "-1e21",
      "123456789012345680000", "999999999999999900000",
      "1e-6", "1e-7", "0.000001", "1.5e-7", "0.00001234", "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308",
      "9007199254740991", "9007199254740992", "9007199254740993", "12345678901234567890", "100000000000000000000000", "0.1",
      "0.30000000000000004", "333333333.33333329", "1e23", "9.5367431640625e-7", "5.684341886080802e-14", "295147905179352830000",
    }
  end)

  it("writes numbers as node does: every power of two", function()
    local texts = {}
    for exponent = -1074, 1023 do texts[#texts + 1] = ("%.17g"):format(2.0 ^ exponent) end
    assert_as_node(texts)
  end)

  it("writes numbers as node does: thousands at random", function()
    local texts = {}
    for i = 1, 5000 do
      local digits = i % 17
      texts[i] = ("%." .. digits .. "e"):format((math.random() - 0.5) * 10 ^ math.random(-300, 300))
    end
    assert_as_node(texts)
  end)

  it("orders names by UTF-16 and writes strings as node does", function()
    assert_as_node {
      '{"\\ufb33":1,"\\ud83d\\ude00":2,"\\u20ac":3,"\\r":4,"1":5,"10":6,"2":7,"":8,"\\u0080":9,"a":{},"A":[],"aa":null}',
      '["\\u0000\\u001f\\u007f\\u0080","\\/\\b\\f\\n\\r\\t\\"\\\\","\\u00e9\\u0301","\\ud834\\udd1e"]',
      '[true,false,null,[[]],{"a":{"b":{}}}]',
    }
  end)

  it("refuses what has no canonical form", function()
    for text, problem in pairs {
      ["1e400"] = "a number beyond a double", ['{"a":1,"a":1}'] = "doubled member name at byte 11",
      ['"\\ud800"'] = "lone surrogate at byte 8", ['"\255"'] = "invalid UTF-8 at byte 2", ["[1,]"] = "not a JSON value at byte 4",
    } do
      assert.same({ nil, problem }, { canonical.text(text) })
    end
  end)
end)
