-- Records as bytes: grid.keeper.record, its codec and its seal.

local codec = require "grid.keeper.codec"
local errors = require "grid.errors"
local files = require "spec.support.files"
local record = require "grid.keeper.record"

local KEYS = { ("k"):rep(32), ("o"):rep(32) }

local function read(name)
  return files.load("spec/keeper/golden/" .. name)
end

local function stamp(wall)
  return { wall = wall, boot = 12.345, boot_id = "boot", time_namespace = "time:[1]" }
end

-- Has every field that a record may have. The files in golden hold it: never change it.
local function full()
  local owner = {
    machine_id = "m", boot_id = "boot", pid_namespace = "pid:[2]", time_namespace = "time:[1]",
    pid = "123", start_time = "456", instance = "i", time = "12000", deadline = "24345",
  }
  local from = { parent = 6, attempt = 2, key = "key-6" }
  return {
    id = "alice\n\0\255", lineage = "lin", gen = 7, writes = 31, state = "live",
    tokens = { refresh_token = "r7", access_token = "a7", empty = "" }, answer = '{"refresh_token" : "r7"}\r\n\0\255',
    life = 3600, obtained = stamp(1795851579.123), skew = -1.5, from = from,
    spares = { { tokens = { refresh_token = "r7b" }, answer = "b", life = 1, obtained = stamp(2), from = from } },
    raws = { {
      answer = "<html>", status = 200, headers = { date = "d" }, parent = 7, attempt = 1, key = "key-7", opener = "o",
      grant = { refresh_token = "r7" }, obtained = stamp(3),
    } },
    intent = {
      key = "key-7", keys = 1, grant = { refresh_token = "r7", scope = "s" }, opener = "o", parent = 7,
      first_sent = stamp(4), attempt = 2, open = true, doubt = false, stuck = 0, write_id = "w", owner = owner,
    },
    backoff = { failures = 1, seconds = 0.25, since = stamp(5), code = "timeout" },
    dead = { code = "invalid_grant", after_unknown = true }, owner = owner,
  }
end

local function is_refused(code, blob, keys, id)
  local value, err = record.unpack(blob, id or full().id, keys)
  assert.is_nil(value)
  assert.is_true(errors.is_error(err, "store"))
  assert.equal(code, err.code)
end

describe("a record", function()
  it("is read as it was written", function()
    assert.same(full(), record.unpack(record.pack(full()), full().id))
    assert.same(full(), record.unpack(record.pack(full(), KEYS), full().id, KEYS))
  end)

  it("of version 1 is read for ever", function()
    assert.same(full(), record.unpack(read "record-1", full().id))
    assert.same(full(), record.unpack(read "record-1-sealed", full().id, KEYS))
  end)

  it("of version 1 is written to the same bytes by both VMs", function()
    assert.equal(read "record-1", record.pack(full()))
  end)

  it("names processes and times of an owner by the exact text", function()
    local value = full()
    value.intent.owner.pid, value.intent.owner.start_time = "0123", "1e5"
    local copy = record.unpack(record.pack(value), value.id)
    assert.equal("0123", copy.intent.owner.pid)
    assert.equal("1e5", copy.intent.owner.start_time)
    value.intent.owner.pid = 123
    assert.has_error(function() record.pack(value) end, "a text is expected, got number")
  end)

  it("of a newer version is refused, and the error says what to do", function()
    for _, blob in ipairs { "grid-keeper-record 2\nid 1:x\n", "grid-keeper-sealed 2\nbox 1:x\n" } do
      is_refused("record_version", blob, blob:find "sealed" and KEYS)
    end
    local _, err = record.unpack("grid-keeper-record 2\n", "x")
    assert.equal("the plain record has version 2, and this lua-grid reads up to version 1: update lua-grid", err.message)
  end)

  it("of another id is refused", function()
    is_refused("record_swapped", record.pack(full()), nil, "bob")
    is_refused("record_not_opened", record.pack(full(), KEYS), KEYS, "bob")
  end)

  it("that is cut off anywhere is refused", function()
    for _, keys in ipairs { false, KEYS } do
      local blob = record.pack(full(), keys or nil)
      for length = 0, #blob - 1 do
        assert.is_nil((record.unpack(blob:sub(1, length), full().id, keys or nil)), length)
      end
      assert.is_nil((record.unpack(blob .. "\n", full().id, keys or nil)))
    end
  end)

  it("with unknown, repeated or missing fields is refused", function()
    local blob = record.pack(full())
    local function with_length(changed)
      local length = tonumber(blob:match "record (%d+):")
      return (changed:gsub("record %d+:", ("record %d:"):format(length + #changed - #blob), 1))
    end
    for _, change in ipairs {
      { "gen 1:7\n", "" }, { "gen 1:7\n", "gen 1:7\ngen 1:7\n" }, { "gen 1:7\n", "gen 1:7\nnew 1:7\n" },
      { "gen 1:7\n", "gen 1:x\n" }, { "gen 1:7\n", "gen 01:7\n" }, { "gen 1:7\n", "gen 3:7.0\n" },
      { "open 1:1\n", "open 1:2\n" }, { "empty 0:\n", "r 2:e:" }, { "state 4:live", "state 4:full" },
      { "pid 3:123\n", "" }, { "spares ", "spores " },
    } do
      local first, last = blob:find(change[1], 1, true)
      is_refused("record_corrupt", with_length(blob:sub(1, first - 1) .. change[2] .. blob:sub(last + 1)))
    end
    assert.is_table(record.unpack(with_length(blob), full().id))
  end)

  it("with a repeated name in a map, or a list out of order, is refused", function()
    assert.same({ a = "x", b = "y" }, codec.map.read "a 1:x\nb 1:y\n")
    assert.is_nil(codec.map.read "a 1:x\na 1:y\n")
    local texts = codec.list(codec.text)
    assert.same({ "x", "y" }, texts.read "1 1:x\n2 1:y\n")
    for _, bytes in ipairs { "2 1:x\n", "1 1:x\n1 1:y\n", "2 1:x\n1 1:y\n", "1 1:x\n3 1:y\n" } do
      assert.is_nil(texts.read(bytes))
    end
  end)

  it("lacks nothing that its state needs", function()
    for _, case in ipairs { { "live", "tokens" }, { "live", "answer" }, { "live", "life" }, { "live", "obtained" },
      { "dead", "dead" }, { "dead", "tokens" }, { "removed", "owner" } } do
      local value = full()
      value.state = case[1]
      assert.is_table(record.unpack(record.pack(value), value.id))
      value[case[2]] = nil
      is_refused("record_corrupt", record.pack(value))
    end
  end)

  it("with a field that the form does not have, or a number that no text can hold, is not written", function()
    local value = full()
    value.extra = "x"
    assert.has_error(function() record.pack(value) end, "a record has no field 'extra'")
    for _, number in ipairs { 0 / 0, math.huge, -math.huge, 1e300 } do
      value = full()
      value.life = number
      assert.is_false((pcall(record.pack, value)))
    end
    value = full()
    value.tokens["a b"] = "x"
    assert.is_false((pcall(record.pack, value)))
  end)

  it("has its texts in the order of the names' bytes, and of any number and length", function()
    local names, value, expected = { "10", "9", "B", "BB", "_", "a1", "b" }, {}, {}
    for i = #names, 1, -1 do
      value[names[i]] = names[i]
      expected[i] = ("%s %d:%s\n"):format(names[i], #names[i], names[i])
    end
    assert.equal(table.concat(expected), codec.encode(codec.map, value))
    value = { large = ("x"):rep(100000) }
    for i = 1, 100 do value["n" .. i] = "" end
    assert.same(value, codec.map.read(codec.encode(codec.map, value)))
    assert.equal("1 1:x\n2 0:\n", codec.encode(codec.list(codec.text), { "x", "" }))
    assert.equal("", codec.encode(codec.map, {}))
  end)

  it("is not written if a value is of another kind, or is missing", function()
    local form = codec.struct { { "name", codec.text }, { "size", codec.seconds, "optional" } }
    assert.equal("name 1:x\nsize 4:1500\n", codec.encode(form, { name = "x", size = 1.5 }))
    for _, case in ipairs {
      { "a record needs the field 'name'", { size = 1 } }, { "a text is expected, got number", { name = 1 } },
      { "a number is expected, got string", { name = "x", size = "1" } }, { "a table is expected, got string", "x" },
      { "a record has no field 'number'", { "x", name = "x" } },
    } do
      assert.same({ false, case[1] }, { pcall(codec.encode, form, case[2]) })
    end
    for _, texts in ipairs { { "x" }, { a = "x", ["a b"] = "x" }, { [""] = "x" }, { a = "x", [true] = "x" } } do
      assert.same({ false, "a name of letters, digits and _ is expected" }, { pcall(codec.encode, codec.map, texts) })
    end
    local many = {}
    for i = 1, 1001 do many["n" .. i] = "x" end
    assert.same({ false, "at most 1000 names are expected" }, { pcall(codec.encode, codec.map, many) })
  end)
end)

describe("a sealed record", function()
  it("shows no secret", function()
    local blob = record.pack(full(), KEYS)
    for _, secret in ipairs { "refresh_token", "pid:[2]", "alice", "invalid_grant", "timeout" } do
      assert.is_nil(blob:find(secret, 1, true))
    end
  end)

  it("is another one each time it is sealed", function()
    assert.not_equal(record.pack(full(), KEYS), record.pack(full(), KEYS))
  end)

  it("is opened by each of the keys, and sealed by the first", function()
    local blob = record.pack(full(), { KEYS[2] })
    assert.is_table(record.unpack(blob, full().id, KEYS))
    is_refused("record_not_opened", record.pack(full(), KEYS), { KEYS[2] })
  end)

  it("is refused without keys, and a plain one with them", function()
    is_refused("record_sealed", record.pack(full(), KEYS))
    assert.equal("the record is sealed: set seal_keys (seal_key_files)",
      select(2, record.unpack(record.pack(full(), KEYS), full().id)).message)
    is_refused("record_not_sealed", record.pack(full()), KEYS)
  end)

  it("is refused with any byte flipped", function()
    local blob = record.pack(full(), KEYS)
    for i = 1, #blob do
      for bit = 0, 7 do
        local byte, mask = blob:byte(i), 2 ^ bit
        local flipped = byte % (2 * mask) >= mask and byte - mask or byte + mask
        local changed = blob:sub(1, i - 1) .. string.char(flipped) .. blob:sub(i + 1)
        local value, err = record.unpack(changed, full().id, KEYS)
        assert.is_nil(value, i)
        assert.is_true(errors.is_error(err, "store"))
      end
    end
  end)

  it("cannot take the place of another one: id, lineage and write counter are sealed in", function()
    local blob = record.pack(full(), KEYS)
    for _, change in ipairs { { "lineage 3:lin", "lineage 3:lim" }, { "writes 2:31", "writes 2:32" } } do
      local first, last = blob:find(change[1], 1, true)
      is_refused("record_not_opened", blob:sub(1, first - 1) .. change[2] .. blob:sub(last + 1), KEYS)
    end
  end)
end)

describe("random records", function()
  local function bytes(limit)
    local list = {}
    for i = 1, math.random(0, limit) do list[i] = string.char(math.random(0, 255)) end
    return table.concat(list)
  end

  -- Other values of the same kind in each place; some optional fields are left out.
  local OPTIONAL = { "skew", "from", "spares", "raws", "intent", "backoff" }
  local function scrambled(value)
    if type(value) == "string" then return bytes(20) end
    if type(value) == "boolean" then return math.random(2) == 1 end
    if type(value) == "number" then return math.random(0, 2 ^ 31 - 1) end
    local copy = {}
    for name, item in pairs(value) do copy[name] = scrambled(item) end
    return copy
  end

  it("are read as they were written, sealed and plain", function()
    for _ = 1, 300 do
      local value = scrambled(full())
      value.state = ({ "live", "dead", "removed" })[math.random(3)]
      value.life, value.obtained.wall = math.random(0, 2 ^ 31 - 1) / 1000, math.random(0, 2 ^ 31 - 1) / 1000
      for _, name in ipairs(OPTIONAL) do
        if math.random(3) == 1 then value[name] = nil end
      end
      assert.same(value, record.unpack(record.pack(value), value.id))
      assert.same(value, record.unpack(record.pack(value, KEYS), value.id, KEYS))
    end
  end)
end)
