-- grid.json: converts Lua values and JSON text, with the same results beside Debian's
-- lua-cjson and OpenResty's.

local cjson = require "cjson"
local rig = require "spec.support.rig"

local unpack = table.unpack or unpack

local has_integers = math.type ~= nil

-- A stand-in for OpenResty's lua-cjson, which has marks for arrays; what it decodes with
-- is the real one.
local function openresty_cjson()
  local stub = {}
  for name, value in pairs(cjson) do stub[name] = value end
  stub.array_mt = { __name = "array_mt" }
  stub.empty_array_mt = { __name = "empty_array_mt" }
  stub.empty_array = io.stdout -- any light userdata there; a unique userdata here
  return stub
end

local flavours = { { "Debian's lua-cjson", cjson }, { "OpenResty's lua-cjson", openresty_cjson() } }

for _, flavour in ipairs(flavours) do
  local title, stub = flavour[1], flavour[2]

  describe("JSON, beside " .. title .. ",", function()
    local fresh

    before_each(function()
      local real = package.loaded.cjson
      package.loaded.cjson = stub
      fresh = rig.fresh "grid.json"
      package.loaded.cjson = real
    end)

    local function round_trip(text)
      local value, _, _, message = fresh.decode(text)
      assert(value ~= nil, message)
      return (fresh.encode(value))
    end

    it("comes back as the same text, members in the order of their names", function()
      for _, text in ipairs {
        "{}", "[]", "null", "true", "false", "0", "-1", '""', '"text"', "[[]]", "[{}]", '{"a":[]}', '{"a":{}}', "[null]",
        '{"a":null,"b":[null,[],{}],"c":{"d":[[],[[]]]}}', '[1,2.5,-0.25,"x",true,false,null]', "[[1],[],[2]]",
        "9007199254740991", "-9007199254740991", "1700000000000", "0.1", "1e-07", "1e+300", "123456789.12345679",
        '"\\"\\\\\\n\\u0000\\u001f"', '"é€😀"', '{"":{"":[]}}', '{"a b":1,"ä":2}', "[1e+100,5e-324,1.7976931348623157e+308]",
      } do
        local again = round_trip(text)
        assert.same(fresh.decode(text), fresh.decode(again))
        assert.equal(again, round_trip(again))
        if not text:find "[eE\\]" then assert.equal(text, again) end
      end
    end)

    it("keeps empty lists and empty objects apart", function()
      assert.equal('{"list":[],"object":{}}', round_trip '{"list":[],"object":{}}')
      local value = fresh.decode '{"list":[1]}'
      value.list[1] = nil
      assert.equal('{"list":[]}', fresh.encode(value))
    end)

    it("keeps integers to 2^53 exactly, and has them as integers where Lua does", function()
      for _, digits in ipairs { "0", "1", "-1", "9007199254740991", "-9007199254740991", "9007199254740992", "1700000000000" } do
        local value = fresh.decode("[" .. digits .. "]")[1]
        assert.equal(digits, ("%.0f"):format(value))
        assert.equal("[" .. digits .. "]", round_trip("[" .. digits .. "]"))
        if has_integers then assert.equal("integer", math.type(value)) end
      end
      if has_integers then
        assert.equal("integer", math.type(fresh.decode "1.0"))
        assert.equal("integer", math.type(fresh.decode "1e3"))
        assert.equal("float", math.type(fresh.decode "1.5"))
        assert.equal(9007199254740993, fresh.decode "9007199254740993")
        assert.equal(999999999999999999, fresh.decode "999999999999999999")
      end
    end)

    it("has null as the null of the program's own lua-cjson", function()
      assert.equal(cjson.null, fresh.null)
      assert.equal(cjson.null, fresh.decode "null")
      assert.equal("null", fresh.encode(cjson.null))
    end)

    it("refuses names in what is marked as an array, and marks nothing but tables", function()
      local text, _, code, message = fresh.encode(fresh.array { 1, 2, x = 3 })
      assert.is_nil(text)
      assert.equal("bad_value", code)
      assert.matches("names", message)
      text = fresh.encode(fresh.array { x = 3 })
      assert.is_nil(text)
      rig.assert_misuse(function() fresh.array(5) end, "grid.array: a table is expected, got number")
      local protected = setmetatable({}, { __metatable = false })
      rig.assert_misuse(function() fresh.array(protected) end, "grid.array: the table has a protected metatable")
    end)

    it("understands every mark of an array", function()
      assert.equal("[]", fresh.encode(fresh.array()))
      assert.equal("[1,2]", fresh.encode(fresh.array { 1, 2 }))
      assert.equal("{}", fresh.encode {})
      assert.equal("[1]", fresh.encode { 1 })
      if stub.array_mt then assert.equal("[]", fresh.encode(setmetatable({}, stub.array_mt))) end
      if stub.empty_array_mt then assert.equal("[]", fresh.encode(setmetatable({}, stub.empty_array_mt))) end
    end)

    it("marks what it decodes so that the program's own lua-cjson understands", function()
      if stub.array_mt then assert.equal(stub.array_mt, getmetatable(fresh.decode "[]")) end
      assert.is_nil(getmetatable(fresh.decode "{}"))
    end)

    it("reads escapes as the characters they stand for", function()
      assert.equal("é/\"\\\b\f\n\r\t\0😀", fresh.decode [["\u00e9\/\"\\\b\f\n\r\t\u0000\ud83d\ude00"]])
      assert.equal(1, fresh.decode([[{"\u0061":1}]]).a)
    end)

    it("refuses what is no JSON, and says where", function()
      for _, text in ipairs {
        "", " ", "{", "[1,]", '{"a"}', '{"a":}', "{a:1}", "01", "+1", ".5", "1.", "1e", "0x1", "NaN", "Infinity", "-", "nul",
        "'a'", '"a', '"\t"', '"\\x"', '"\\u12"', "[1 2]", "[]]", "{} {}", "//", "\239\187\191[]", "[\0]", "\255", '"\255"',
        '"\192\128"', '"\237\160\128"', ("["):rep(65) .. ("]"):rep(65),
      } do
        local value, kind, code, message = fresh.decode(text)
        assert.is_nil(value, text)
        assert.equal("protocol", kind)
        assert.equal("string", type(code))
        assert.is_truthy(message:find "byte %d+" or message:find "level", message)
        assert.is_nil(message:find("\255", 1, true))
      end
    end)

    it("does not fail for a number that no double can hold: it is infinite, and cannot be sent back as a table", function()
      for _, text in ipairs { "1e400", "1" .. ("0"):rep(400) } do
        assert.equal(math.huge, fresh.decode(text))
        assert.equal(-math.huge, fresh.decode("-" .. text))
        assert.is_nil((fresh.encode(fresh.decode(text))))
      end
    end)

    it("refuses values that have no JSON form", function()
      local circle = {}
      circle[1] = circle
      for _, value in ipairs {
        print, coroutine.create(function() end), 0 / 0, math.huge, -math.huge, "\255", { [1.5] = 1 }, { [true] = 1 },
        { 1, nil, 3, [5] = 5 }, { 1, a = 2 }, { ["\255"] = 1 }, circle, { io.stderr },
      } do
        local text, kind, code, message = fresh.encode(value)
        assert.is_nil(text)
        assert.equal("request", kind)
        assert.equal("bad_value", code)
        assert.equal("string", type(message))
      end
    end)

    it("takes no more levels than it gives", function()
      local value = {}
      for _ = 1, 63 do value = { value } end
      assert.is_truthy(fresh.encode(value))
      assert.is_nil((fresh.encode { value }))
    end)

    it("gives out a member, as one value also where there is none", function()
    local value = fresh.decode '{"a":[1,{"b":"c","d":null,"e":false}]}'
    assert.equal("c", fresh.at(value, "a", 2, "b"))
    assert.is_false(fresh.at(value, "a", 2, "e"))
    for _, steps in ipairs { { "a", 2, "d" }, { "a", 2, "b", "c" }, { "x", "y" }, { "a", 3 } } do
      local found = { n = select("#", fresh.at(value, unpack(steps))), fresh.at(value, unpack(steps)) }
      assert.same({ n = 1 }, found)
    end
    assert.equal(1, select("#", fresh.at(nil, "a")))
  end)

  it("gives out a string that is not empty, and no other value", function()
    assert.equal("a", fresh.text "a")
    for _, value in ipairs { "", 1, true, fresh.null, {} } do assert.is_nil(fresh.text(value)) end
    assert.is_nil(fresh.text(nil))
  end)

  it("gives out the exact bytes of a part", function()
      local text = ' {"a" : [ 1.0 , {"b\\u0062": "x" } ], "a\\"": 2} '
      assert.equal("1.0", fresh.slice(text, "a", 1))
      assert.equal('{"b\\u0062": "x" }', fresh.slice(text, "a", 2))
      assert.equal('"x"', fresh.slice(text, "a", 2, "bb"))
      assert.equal("2", fresh.slice(text, 'a"'))
      assert.is_nil((fresh.slice(text, "b")))
      assert.is_nil((fresh.slice(text, "a", 3)))
      assert.is_nil((fresh.slice(text, "a", 0)))
      assert.is_nil((fresh.slice(text, "a", "b")))
    end)
  end)
end

describe("the lua-cjson of the program", function()
  it("is not touched", function()
    local output, fine = rig.run [==[
      local cjson = require "cjson"
      local before = {}
      for name, value in pairs(cjson) do before[name] = value end
      cjson.encode_number_precision(5)
      cjson.decode_max_depth(3)
      local grid = require "grid"
      local json = require "grid.json"
      assert(json.encode(json.decode('[[[[[[0.123456789]]]]]]')) == '[[[[[[0.123456789]]]]]]')
      for name, value in pairs(cjson) do assert(before[name] == value, name) end
      assert(not pcall(cjson.decode, "[[[[1]]]]"), "the depth was changed")
      assert(cjson.encode { 0.123456789 } == "[0.12346]", "the precision was changed")
      print(cjson.encode {})]==]
    assert.is_true(fine, output)
    assert.equal("{}\n", output)
  end)
end)
