-- The rules of grid.api.session, on values: the bytes to store, and times of the API.

local json = require "grid.json"
local session = require "grid.api.session"

local function payload_of(privy)
  return ('{"provider":"privy","session":{"Privy":%s}}'):format(privy)
end

local SENT = payload_of '{"user_id":"u1","token":"t1","refresh_token":"old\\u002d\\/1","session":{"expires_at":1}}'
local TOKEN = '"old\\u002d\\/1"' -- as it was sent, escapes included

-- An answer's payload in an odd but sound form; `privy` stands in it byte for byte.
local function answer(privy)
  return ' { "provider":"privy",\n "big": 12345678901234567890, "list":[ ], "session":{"Privy":' .. privy .. ', "Other":{}} }'
end

-- A Privy object with what a session must have, and those members before or behind it.
local function privy(before, behind)
  return ('{%s"token":"t2","session":{"expires_at":2}%s}'):format(before, behind or "")
end

local function stored(bytes, sent)
  local payload = json.decode(bytes)
  assert.is_nil(session.problem(payload))
  return session.to_store(bytes, payload, sent)
end

describe("what is stored after an answer", function()
  it("is the answer as it is, where it brings a refresh token", function()
    for _, member in ipairs {
      '"refresh_token":"new",', '"refresh_token" : "new" ,', '"refresh\\u005ftoken":"new",', '"refresh_token":" ",',
      '"refresh_token":null,"refresh_token":"new",', '"refresh_token":"\\u0000",',
    } do
      local bytes = answer(privy(member))
      assert.equal(bytes, stored(bytes, SENT))
    end
  end)

  it("is the answer as it is in the cookie flow, where nothing was sent", function()
    for _, member in ipairs { "", '"refresh_token":null,', '"refresh_token":"",' } do
      local bytes = answer(privy(member))
      assert.equal(bytes, stored(bytes, nil))
    end
  end)

  it("has the token that was sent before the first member, where the answer has none", function()
    assert.equal(answer('{"refresh_token":' .. TOKEN .. ',"token":"t2","session":{"expires_at":2}}'),
      stored(answer(privy ""), SENT))
    assert.equal(answer('{"refresh_token":' .. TOKEN .. ',\n\t "a":[ ],"token":"t2","session":{"expires_at":2} }'),
      stored(answer(privy('\n\t "a":[ ],', " ")), SENT))
  end)

  it("has the token that was sent in the place of null and of an empty text", function()
    for given, kept in pairs {
      ['"refresh_token":null,'] = '"refresh_token":%s,',
      ['"refresh_token":"",'] = '"refresh_token":%s,',
      ['"x":1, "refresh_token" :\r\n null ,'] = '"x":1, "refresh_token" :\r\n %s ,',
      ['"refresh\\u005ftoken":null,'] = '"refresh\\u005ftoken":%s,',
      ['"\\u0072efresh_token":"",'] = '"\\u0072efresh_token":%s,',
    } do
      kept = kept:gsub("%%s", function() return TOKEN end)
      assert.equal(answer(privy(kept)), stored(answer(privy(given)), SENT))
    end
    assert.equal(answer(privy("", ',"refresh_token":' .. TOKEN)), stored(answer(privy("", ',"refresh_token":null')), SENT))
  end)

  it("has it where it counts, if names stand twice: in the last of them", function()
    local last = '"refresh_token":"one","refresh_token":%s,'
    assert.equal(answer(privy(last:format(TOKEN))), stored(answer(privy(last:format "null")), SENT))
    assert.equal(answer(privy(last:format(TOKEN))), stored(answer(privy(last:format '""')), SENT))

    local twice = '{"session":{"Privy":{"refresh_token":"one"},"Privy":%s}}'
    local bytes = twice:format(privy "")
    assert.equal(twice:format(privy('"refresh_token":' .. TOKEN .. ",")), stored(bytes, SENT))
    twice = '{"session":{"Privy":{"refresh_token":"one"}},"session":{"Privy":%s}}'
    assert.equal(twice:format(privy('"refresh_token":' .. TOKEN .. ",")), stored(twice:format(privy '"refresh_token":null,'), SENT))
  end)

  it("is not misled by other members of that name, nor by texts", function()
    local around = '"a":{"refresh_token":null,"Privy":{"refresh_token":null}},"t":"\\"refresh_token\\":null","refresh_token":%s,'
    assert.equal(answer(privy(around:format(TOKEN))), stored(answer(privy(around:format "null")), SENT))
    local outside = '{"refresh_token":null,"session":{"refresh_token":"x","Privy":%s}}'
    assert.equal(outside:format(privy('"refresh_token":' .. TOKEN .. ",")), stored(outside:format(privy ""), SENT))
    for _, name in ipairs { "refresh_token\\u0000", "Refresh_token", "refresh_token ", "refresh_toke", "refresh\\\\u005ftoken" } do
      local other = ('"%s":null,'):format(name)
      assert.equal(answer(privy('"refresh_token":' .. TOKEN .. "," .. other)), stored(answer(privy(other)), SENT))
    end
  end)

  it("has the bytes of the token as they were sent", function()
    for _, raw in ipairs {
      '"a"', '"caf\195\169"', '"\\ud83d\\ude00\\ud800"', '"\\"}],\\\\"', '"%1 %d"', '"' .. ("x"):rep(5000) .. '"',
    } do
      local sent = '\n{"session" : { "Privy" : {"refresh_token":"no","refresh\\u005ftoken" : ' .. raw .. " } } }\t"
      assert.equal(answer(privy('"refresh_token":' .. raw .. ",")), stored(answer(privy '"refresh_token":null,'), sent))
      assert.equal(answer(privy('"refresh_token":' .. raw .. ",")), stored(answer(privy ""), sent))
    end
  end)

  it("is the answer as it is, where no token was sent that could be kept", function()
    local bytes = answer(privy '"refresh_token":null,')
    for _, sent in ipairs {
      "{}", '{"session":null}', '{"session":[]}', '{"session":{"Privy":[]}}', payload_of "{}", payload_of '{"refresh_token":null}',
      payload_of '{"refresh_token":""}', payload_of '{"refresh_token":7}', payload_of '{"refresh_token":{"refresh_token":"x"}}',
      '{"refresh_token":"x"}', payload_of '{"refresh_token":"x","refresh_token":null}',
    } do
      assert.equal(bytes, stored(bytes, sent), sent)
    end
  end)

  it("never has the token of another user", function()
    local function of_user(id) return answer(privy(('"user_id":%s,'):format(id))) end
    assert.equal(of_user '"u2"', stored(of_user '"u2"', SENT))
    for _, id in ipairs { '"u1"', '"\\u00751"', "null", '""', "7" } do
      assert.not_equal(of_user(id), stored(of_user(id), SENT), id)
    end
    local nameless = payload_of '{"refresh_token":"r","user_id":null}'
    assert.not_equal(of_user '"u2"', stored(of_user '"u2"', nameless))
  end)

  it("may be sent when the payload is nested as deeply as one may be", function()
    local deep = '{"session":{"Privy":{"refresh_token":"r"}},"x":' .. ("["):rep(63) .. ("]"):rep(63) .. "}"
    assert.equal(answer(privy '"refresh_token":"r",'), stored(answer(privy ""), deep))
  end)
end)

-- Numbers that are the same on every run and VM.
local function generator(seed)
  return function(limit)
    seed = (seed * 16807) % 2147483647
    return seed % limit + 1
  end
end

describe("for random payloads, what is stored", function()
  local random = generator(20261015)

  local function pick(list) return list[random(#list)] end

  local BLANKS = { "", "", " ", "\n\t", "\r\n" }

  local function value(depth)
    local kind = random(depth > 3 and 5 or 7)
    if kind == 1 then return pick { "0", "-1.50", "1e2", "12345678901234567890", "9007199254740993", "0.1" } end
    if kind == 2 then
      return pick { '""', '"refresh_token"', '"\\"refresh_token\\":null"', '"\\u00e9\\/"', '"\195\169"', '"}{"' }
    end
    if kind == 3 then return pick { "true", "false" } end
    if kind <= 5 then return "null" end
    local parts = {}
    for i = 1, random(4) - 1 do
      local name = kind == 6 and ('"%s":'):format(pick { "a" .. i, "refresh_token", "Privy", "session", "\\u0041" .. i }) or ""
      parts[i] = pick(BLANKS) .. name .. pick(BLANKS) .. value(depth + 1) .. pick(BLANKS)
    end
    local text = table.concat(parts, ",")
    return kind == 6 and "{" .. text .. "}" or "[" .. text .. "]"
  end

  -- In any order, with blanks.
  local function object(members)
    local parts = {}
    for i = #members, 1, -1 do table.insert(parts, random(#parts + 1), pick(BLANKS) .. members[i] .. pick(BLANKS)) end
    return "{" .. table.concat(parts, ",") .. "}"
  end

  local function payload(refresh_token)
    local members = { '"token":"t"', '"session":{"expires_at":' .. random(1e9) .. "}", '"x":' .. value(1), '"y" : ' .. value(1) }
    local name = pick { '"refresh_token"', '"refresh_\\u0074oken" ' }
    if refresh_token then members[5] = name .. ":" .. pick(BLANKS) .. refresh_token end
    local outer = object { '"Privy":' .. object(members), '"refresh_token":' .. value(1), '"z":' .. value(1) }
    return object { '"session":' .. outer, '"w":' .. value(0), '"refresh_token":' .. value(1) }
  end

  it("differs from the answer in the refresh token alone", function()
    for _ = 1, 1000 do
      local token = pick { '"r"', '"\\u0072\\n"', '"\240\159\152\128"' }
      local sent, bytes = payload(token), payload(pick { false, "null", '""', '"new"' })
      local before, after = json.decode(bytes), json.decode(stored(bytes, sent))
      local given = before.session.Privy.refresh_token
      local is_given = type(given) == "string" and given ~= ""
      assert.equal(is_given and given or json.decode(token), after.session.Privy.refresh_token)
      before.session.Privy.refresh_token, after.session.Privy.refresh_token = nil, nil
      assert.same(before, after)
      if is_given then assert.equal(bytes, stored(bytes, sent)) end
    end
  end)

  it("stays the same when it is sent and answered with once more", function()
    for _ = 1, 500 do
      local bytes = stored(payload(pick { false, "null" }), payload '"r"')
      assert.equal(bytes, stored(bytes, bytes))
      assert.equal(json.decode(bytes).session.Privy.refresh_token,
        json.decode(stored(payload(false), bytes)).session.Privy.refresh_token)
    end
  end)
end)

describe("a time of the API", function()
  it("is in whole seconds, whether it came in seconds or in milliseconds", function()
    for value, seconds in pairs {
      [1700000000] = 1700000000, [1700000000000] = 1700000000, [1700000000999] = 1700000000, [1700000000.75] = 1700000000,
      [0] = 0, [1] = 1, [1e11] = 1e11, [1e11 + 1000] = 1e8 + 1,
    } do
      assert.equal(seconds, session.seconds(value))
      if math.type then assert.equal("integer", math.type(session.seconds(value))) end
    end
  end)

  it("is one that os.date takes, however absurd the number", function()
    for _, value in ipairs { -1, -1e300, -1 / 0, 1e15, 2 ^ 63, 1e300, 1 / 0 } do
      local seconds = session.seconds(value)
      assert.equal(value < 0 and 0 or math.min(value / 1000, 253402300799), seconds)
      assert.equal("string", type(os.date("!%Y-%m-%d %H:%M:%S", seconds)))
      assert.equal(("%d"):format(seconds), ("%.0f"):format(seconds))
    end
  end)

  it("is none where it is no number", function()
    for _, value in ipairs { "1700000000", "soon", {}, true, json.null } do assert.is_nil(session.seconds(value)) end
    assert.is_nil(session.seconds(nil))
  end)
end)
