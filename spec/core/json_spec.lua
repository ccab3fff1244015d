-- JSON in grid.core: the same on both VMs, exact numbers, strict limits.

local core = require "grid.core"

local null = require("cjson").null
local rig = require "spec.support.rig"

local array = { __name = "spec.array" }

local function decode(text) return core.json_decode(text, array) end
local function encode(value) return core.json_encode(value, array) end
local function is_array(value) return getmetatable(value) == array end

local function refused(text, code)
  local value, kind, got, message = decode(text)
  assert.is_nil(value)
  assert.equal("protocol", kind)
  assert.equal(code, got)
  assert.equal("string", type(message))
end

describe("grid.core", function()
  before_each(rig.mark)
  after_each(rig.assert_nothing_left)

  describe("decodes", function()
    it("each kind of value", function()
      assert.same({ 1, "two", true, false, null, { a = "b" } }, decode ' [1, "two",true,false , null,{"a":"b"}]\n')
      assert.equal(null, decode "null")
      assert.equal(false, decode "false")
      assert.equal("", decode '""')
    end)

    it("empty arrays and empty objects as different things", function()
      local value = decode '{"list":[],"map":{},"deep":[[],{}]}'
      assert.is_true(is_array(value.list))
      assert.is_nil(getmetatable(value.map))
      assert.is_true(is_array(value.deep))
      assert.is_true(is_array(value.deep[1]))
      assert.is_false(is_array(value.deep[2]))
      assert.is_nil(getmetatable(value))
    end)

    it("the last of values whose name stands twice, whatever kind they are of", function()
      local values = { "1", '"s"', "null", "[]", "{}", "[1,[2]]", '{"a":{"b":[3]}}' }
      for _, first in ipairs(values) do
        for _, second in ipairs(values) do
          local text = ('{"x":%s,"x":%s}'):format(first, second)
          assert.same(decode(second), decode(text).x)
          assert.equal(getmetatable(decode(second)), getmetatable(decode(text).x))
        end
      end
      assert.equal(2, decode('{"\\u0078":1,"x":2}').x)
    end)

    it("whole numbers as integers where Lua has them, exactly up to 2^53 and beyond", function()
      for _, text in ipairs { "0", "1", "-1", "9007199254740991", "9007199254740992", "-9007199254740992", "1700000000000" } do
        local number = decode(text)
        assert.equal(tonumber(text), number)
        assert.equal(text, ("%.0f"):format(number))
        if math.type then assert.equal("integer", math.type(number)) end
      end
      for _, text in ipairs { "1.0", "1e3", "-2.50e1", "0.0", "-0" } do
        assert.equal(tonumber(text), decode(text))
        if math.type then assert.equal("integer", math.type(decode(text))) end
      end
      if math.type then
        assert.equal(9007199254740993, decode "9007199254740993")
        for _, text in ipairs { "1000000000000000001", "9223372036854775807", "-9223372036854775807", "-9223372036854775808" } do
          assert.equal("integer", math.type(decode(text)))
          assert.equal(text, encode(decode(text)))
        end
        assert.equal("float", math.type(decode "9223372036854775808"))
        assert.equal(2 ^ 64, decode "18446744073709551616")
        assert.equal(999999999999999999, decode "999999999999999999")
      end
    end)

    it("every other number as the nearest double", function()
      local digits = ("1234567890"):rep(200)
      local cases = {
        ["0.5"] = 0.5, ["-1.25e-3"] = -1.25e-3, ["1e308"] = 1e308, ["5e-324"] = 5e-324, ["1e400"] = math.huge,
        ["-1e400"] = -math.huge, ["1e-400"] = 0, ["123456789012345678901234567890"] = 123456789012345678901234567890,
        ["0." .. digits] = 0.12345678901234567890123, [digits .. "e-2000"] = 0.12345678901234567890123,
        ["0." .. ("0"):rep(1000) .. "1"] = 0, ["1" .. ("0"):rep(1000)] = math.huge, ["1" .. ("0"):rep(1000) .. "e-1000"] = 1,
        ["1e99999999999999999999"] = math.huge, ["1e-99999999999999999999"] = 0,
      }
      for text, number in pairs(cases) do assert.equal(number, decode(text), text:sub(1, 60)) end
    end)

    it("escapes, and a lone surrogate as U+FFFD", function()
      assert.equal('"\\/\b\f\n\r\t', decode [["\"\\\/\b\f\n\r\t"]])
      assert.equal("\0 \195\169 \226\130\172 \240\159\152\128", decode [["\u0000 \u00e9 \u20AC \ud83d\ude00"]])
      assert.equal("\239\191\189", decode [["\ud800"]])
      assert.equal("\239\191\189x", decode [["\udc00x"]])
      assert.equal(1, decode([[{"\ud800":1}]])["\239\191\189"])
    end)

    it("64 levels and not one more", function()
      local value = decode(("["):rep(64) .. ("]"):rep(64))
      local depth = 0
      while value do
        depth, value = depth + 1, value[1]
      end
      assert.equal(64, depth)
      assert.equal("table", type(decode(('{"a":'):rep(63) .. "[]" .. ("}"):rep(63))))
      refused(("["):rep(65) .. ("]"):rep(65), "too_deep")
      refused(('{"a":'):rep(64) .. "[]" .. ("}"):rep(64), "too_deep")
      refused(("["):rep(100000), "too_deep")
    end)

    it("wide values without trouble #slow", function()
      local wide = decode("[" .. ("[],"):rep(50000) .. "{}]")
      assert.equal(50001, #wide)
      assert.is_true(is_array(wide[50000]))
      assert.is_false(is_array(wide[50001]))
    end)

    it("nothing that is not one JSON text in UTF-8", function()
      for _, text in ipairs {
        "", " ", "{", "[1,]", "{\"a\":}", "nul", "01", "1.", "+1", ".5", "'a'", "1 2", "{} x", "[1}", "\"\n\"",
        "NaN", "\"\\x\"", "\"\\u12\"", "{1:2}", "\239\187\191{}", "[\0]", "1\0",
      } do
        refused(text, "bad_json")
      end
      for _, text in ipairs { "\"\255\"", "\"\192\128\"", "\"\237\160\128\"", "\"\244\144\128\128\"", "\"\195\"", "\"\128\"" } do
        refused(text, "bad_utf8")
      end
    end)

    it("only text, and never says in an error what the text was", function()
      assert.is_false(pcall(core.json_decode))
      assert.is_false(pcall(core.json_decode, {}, array))
      assert.is_false(pcall(core.json_decode, "1"))
      local _, _, _, message = decode '{"token": "sesame", sesame'
      assert.is_nil(message:find "sesame")
    end)
  end)

  describe("encodes", function()
    it("what it decoded as it was", function()
      for _, text in ipairs {
        "null", "true", "[]", "{}", '""', '{"a":[],"b":{},"c":null}', "[[],{},[[]]]", '{"n":9007199254740992}', "[0.1,-1.5,1e+300]",
        '"\\u0000\\n\\"\195\169"', "[" .. ("[],"):rep(100) .. "1]", ("["):rep(64) .. ("]"):rep(64),
      } do
        assert.equal(text, encode(decode(text)))
      end
    end)

    it("texts of any length, be they usual or larger", function()
      for size = 4070, 4130 do
        local value = { a = { "b", ("x"):rep(size - 15) }, c = 1 }
        local text = '{"a":["b","' .. ("x"):rep(size - 15) .. '"],"c":1}'
        assert.equal(text, core.json_encode(value, array))
      end
      local _, kind, code = encode { ("x"):rep(5000), print }
      assert.equal("request", kind)
      assert.equal("bad_value", code)
    end)

    it("nothing that has no JSON form", function()
      local endless = {}
      endless[1] = endless
      for _, value in ipairs {
        0 / 0, math.huge, -math.huge, print, io.stdout, coroutine.create(print), { [1] = 1, a = 2 }, { [3] = 1 }, { [true] = 1 },
        { a = print }, "\255", { ["\255"] = 1 }, endless, { setmetatable({}, { __index = { 1 } }) },
        { a = setmetatable({}, { __pairs = pairs, __metatable = false }) },
      } do
        local text, kind, code, message = encode(value)
        assert.is_nil(text)
        assert.equal("request", kind)
        assert.equal("bad_value", code)
        assert.equal("string", type(message))
      end
    end)
  end)

  describe("cuts out", function()
    local slice = core.json_slice
    local text = ' {"a": [1, {"b" : "x\\"y" }, [ ] ], "\\u0063": -0.50e1, "a2": {"a":null}, "dup":1, "dup": [2] } '

    it("the exact bytes of a value, and says where they begin", function()
      local bytes, position = slice(text, "a", 2)
      assert.equal('{"b" : "x\\"y" }', bytes)
      assert.equal(bytes, text:sub(position, position + #bytes - 1))
      assert.equal('"x\\"y"', (slice(text, "a", 2, "b")))
      assert.equal("[ ]", (slice(text, "a", 3)))
      assert.equal("-0.50e1", (slice(text, "c")))
      assert.equal("null", (slice(text, "a2", "a")))
      assert.equal("[2]", (slice(text, "dup")))
    end)

    it("what a name with U+0000 leads to, and not what a part of it does", function()
      local odd = '{"a":1,"a\\u0000b":2,"":3,"\\u0000":{"\\u0000x":4,"":5}}'
      assert.equal("1", (slice(odd, "a")))
      assert.equal("2", (slice(odd, "a\0b")))
      assert.equal("3", (slice(odd, "")))
      assert.equal("4", (slice(odd, "\0", "\0x")))
      assert.equal(0, select("#", slice(odd, "a\0")))
    end)

    it("each member of an object as it stands there, and says its name", function()
      local members = core.json_members
      assert.same({}, members " { } ")
      assert.same({ "a", '"\\u0061" : [1, {}]', "a", '"a":2', "\0", '"\\u0000" :"}"', "\239\191\189", '"\\ud800":null' },
        members ' { "\\u0061" : [1, {}] ,"a":2, "\\u0000" :"}" , "\\ud800":null} ')
      assert.equal(0, select("#", members "[1]"))
      assert.equal("bad_json", (select(3, members '{"a"}')))
      assert.is_false(pcall(members))
    end)

    it("nothing where there is nothing", function()
      for _, path in ipairs {
        { "b" }, { 1 }, { "a", 0 }, { "a", 4 }, { "a", -1 }, { "a", 1e300 }, { "a", 0 / 0 }, { "a", "b" }, { "c", 1 }, { "" },
        { "a", 1, "x" },
      } do
        assert.equal(0, select("#", slice(text, (table.unpack or unpack)(path)))) -- luacheck: ignore 143
      end
    end)

    it("nothing from what is no JSON, and no path of other things", function()
      local value, kind, code = slice("{", "a")
      assert.is_nil(value)
      assert.equal("protocol", kind)
      assert.equal("bad_json", code)
      assert.is_false(pcall(slice, "{}", {}))
      assert.is_false(pcall(slice, "{}", nil))
      assert.is_false(pcall(slice))
    end)
  end)

  it("gives the exact bytes of the member that names lead to, beside the decoded value", function()
    local function exact(text, ...) return (select(2, core.json_decode(text, {}, ...))) end
    assert.equal('{ "b" : [1, 2.50] }', exact('{"x":{},"a":{"c":{ "b" : [1, 2.50] } } }', "a", "c"))
    assert.equal("2.50", exact('{"a": 2.50 }', "a"))
    assert.equal("null", exact('{"a":null}', "a"))
    assert.is_nil(exact('{"a":1}', "b"))
    assert.is_nil(exact('{"a":1}', "a", "b"))
    assert.is_nil(exact('[{"a":1}]', "a"))
    assert.is_nil(exact '{"a":1}')
  end)

  it("takes the last of names that stand twice on the way to those bytes", function()
    local function exact(text, ...) return (select(2, core.json_decode(text, {}, ...))) end
    assert.equal("2", exact('{"a":{"b":1},"a":{"b":2}}', "a", "b"))
    assert.is_nil(exact('{"a":{"b":1},"a":{}}', "a", "b"))
    assert.is_nil(exact('{"a":{"b":1},"a":3}', "a", "b"))
  end)
end)
